"""Torch's compiler is imported when it is asked for, and not by torchvision alone."""

import pytest

IMPORTED = """
import sys, torch
from normscope.machine.without_compiler import import_torchvision
{before}
import_torchvision()
import torchvision
assert ("torch._dynamo" in sys.modules) is {compiler}, "the compiler"
boxes = [torch.tensor([[0.0, 0, 4, 4]])]
assert torchvision.ops.roi_align(torch.rand(1, 3, 8, 8), boxes, 2).shape == (1, 3, 2, 2)
assert torchvision.ops.roi_align.__globals__["is_compile_supported"]("cpu") in {{True, False}}
from torchvision.transforms import v2
from torchvision.tv_tensors import Image, wrap
flipped = v2.functional.horizontal_flip(Image(torch.arange(3.0)[None, None]))
assert isinstance(flipped, Image) and flipped.tolist() == [[[2, 1, 0]]]
flip = torch.compile(v2.functional.horizontal_flip, backend="eager")
assert isinstance(flip(Image(torch.arange(3.0)[None, None])), Image)
assert flip(Image(torch.arange(3.0)[None, None])).tolist() == [[[2, 1, 0]]]
assert isinstance(wrap(torch.ones(1), like=flipped), Image)
assert torch._dynamo.__file__
"""


@pytest.mark.parametrize(
    ("before", "compiler"),
    [
        ("", False),
        ("import torchvision", True),
    ],
)
def test_the_compiler_comes_when_it_is_asked_for(before, compiler, run_beside_torch, tmp_path):
    run_beside_torch(IMPORTED.format(before=before, compiler=compiler), tmp_path)


ASKED_MEANWHILE = """
import sys
import torch
from normscope.machine.without_compiler import COMPILER, _StandIn
sys.modules.update({name: _StandIn(name) for name in COMPILER})
{ask}
assert not any(isinstance(module, _StandIn) for module in sys.modules.values())
import torch._dynamo
assert torch._dynamo.config.verbose in {True, False}
"""


@pytest.mark.parametrize(
    "ask",
    [
        "from torch._dynamo.utils import counters; assert counters == {}",
        "import torch._dynamo.config",
        "from torch._dynamo import disable; assert disable(recursive=False)(abs)(-1) == 1",
    ],
)
def test_whatever_else_is_asked_of_the_compiler_meanwhile_is_answered(
    ask, run_beside_torch, tmp_path
):
    run_beside_torch(ASKED_MEANWHILE.replace("{ask}", ask), tmp_path)


def test_models_and_resizing_do_without_the_compiler(run_beside_torch, tmp_path):
    program = """
import sys
import numpy as np
from normscope.images.resizing import resized
from normscope.models.libraries.from_torchvision import TorchvisionModel, torchvision_names
assert "resnet18" in torchvision_names()
TorchvisionModel("squeezenet1_1").build(3, 10, (32, 32))
assert resized(np.zeros((1, 3, 8, 8), np.uint8), None, 4, 4)[0].shape == (1, 3, 4, 4)
assert "torch._dynamo" not in sys.modules
"""
    run_beside_torch(program, tmp_path)


def test_a_network_is_outlined_and_its_first_layer_found_without_the_compiler(
    run_beside_torch, tmp_path
):
    program = """
import sys
import torch
from normscope.deploy.entry import find_entry
from normscope.models.lenet import LeNet
from normscope.models.options import ModelOptions
from normscope.trials.outline import outlined
from normscope.trials.step_memory import step_bytes
shape = {"channels": 3, "classes": 10, "image_size": (32, 32)}
network = outlined("resnet20", ModelOptions(), shape)
assert outlined("mobilenet_v3_small", ModelOptions(), shape) is not None
assert "sympy" not in sys.modules
assert step_bytes(network, (2, 3, 32, 32), 10) > 2 * 3 * 32 * 32 * 4
assert find_entry(LeNet(1, 10, (28, 28)).eval(), 1, (28, 28)) is not None
assert "torch._dynamo" not in sys.modules
"""
    run_beside_torch(program, tmp_path)
