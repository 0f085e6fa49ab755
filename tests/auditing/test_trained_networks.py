"""Networks as trainings have them: in halves, wrapped, averaged, compiled, exported."""

from __future__ import annotations

import pytest
import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

import normscope
from normscope.errors import NormscopeError
from tests.auditing import networks

IMAGE = torch.zeros(1, 3, 32, 32)


def audited(model, photos):
    return normscope.audit(model, norm="imagenet", images=photos / "val", resize=40, crop=32)


@pytest.fixture(scope="module")
def expected(photos):
    return audited(networks.small(), photos)


@pytest.fixture
def alone(tmp_path):
    """A group of one process."""
    distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1
    )
    yield
    distributed.destroy_process_group()


def _exported():
    return torch.export.export(networks.small().eval(), (IMAGE,))


def _state(model):
    return model.state_dict() if isinstance(model, torch.nn.Module) else model.state_dict


FORMS = {
    "in training": lambda: networks.small().train(),
    "channels_last": lambda: networks.small().to(memory_format=torch.channels_last),
    "float64": lambda: networks.small().double(),
    "ddp": lambda: DistributedDataParallel(networks.small()),
    "average of ddp": lambda: AveragedModel(DistributedDataParallel(networks.small())),
    "compiled": lambda: torch.compile(networks.small(), backend="eager"),
    "traced by fx": lambda: torch.fx.symbolic_trace(networks.small()),
    "exported for one image": _exported,
    "the module of that": lambda: _exported().module(),
}


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("form", FORMS)
def test_a_network_in_any_form_is_the_network(form, photos, expected):
    model = FORMS[form]()
    state = {name: tensor.clone() for name, tensor in _state(model).items()}
    asked = [(w.dtype, w.stride(), w.requires_grad) for w in model.parameters()]
    training, random = getattr(model, "training", None), torch.get_rng_state()
    found = audited(model, photos)
    assert [m.cost and m.cost.lost for m in found.mistakes] == [
        m.cost and m.cost.lost for m in expected.mistakes
    ]
    assert found.reference.accuracy == expected.reference.accuracy
    exported = {"exported for one image": "ExportedProgram", "the module of that": "GraphModule"}
    assert found.model == exported.get(form, "NearestTint")
    # And a training goes on as if nothing had been asked.
    after = _state(model)
    assert after.keys() == state.keys()
    assert all(torch.equal(after[name], state[name]) for name in state)
    assert asked == [(w.dtype, w.stride(), w.requires_grad) for w in model.parameters()]
    assert training == getattr(model, "training", None)
    assert torch.equal(random, torch.get_rng_state())


def test_a_network_of_bfloat16_is_asked_in_float32(photos):
    rounded = networks.small().bfloat16()
    found, expected = audited(rounded, photos), audited(networks.small().bfloat16().float(), photos)
    assert found.reference.accuracy == expected.reference.accuracy
    assert rounded.tints.dtype == torch.bfloat16


def test_weights_without_numbers_are_refused(photos):
    with pytest.raises(NormscopeError) as met:
        audited(networks.small().to("meta"), photos)
    assert str(met.value) == (
        "the model's weights must be there, got some on the device meta, which have no numbers. "
        "Load them first."
    )
