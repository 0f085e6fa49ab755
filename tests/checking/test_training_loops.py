"""The guard in the trainings that people run: it says what is wrong, and changes nothing."""

from __future__ import annotations

import pickle
import socket
import sys
import warnings
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from normscope import watch
from normscope.checking.guarding import NormalizationWarning
from tests.auditing.conftest import photos  # noqa: F401 - a fixture
from tests.checking.batches import MEAN, STD, pictures
from tests.fresh_processes import fresh_processes

WRONG = "The first batches are not what imagenet gives: they are not normalized."


class Small(nn.Module):
    """A network whose body may be computed again for its gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.again = True
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout2d())
        self.head = nn.Linear(4, 2)

    def forward(self, images):
        if self.again:
            return self.head(checkpoint(self.body, images, use_reentrant=False).mean((2, 3)))
        return self.head(self.body(images).mean((2, 3)))


def _compiled(network):
    network.again = False
    return torch.compile(network, backend="eager")


def _trained(loader, change, autocast):
    torch.manual_seed(0)
    network = change(Small())
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    for _ in range(2):
        for images, labels in loader:
            with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
                loss = nn.functional.cross_entropy(network(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return network.state_dict()


@pytest.mark.parametrize(
    ("change", "autocast"),
    [
        (lambda network: network, False),
        (lambda network: network.to(memory_format=torch.channels_last), True),
        (_compiled, False),
    ],
    ids=["checkpointed", "channels_last, autocast", "compiled"],
)
def test_a_watched_training_is_the_same_to_the_last_bit(change, autocast):
    data = TensorDataset(pictures(), torch.arange(48) % 2)
    plain = _trained(DataLoader(data, 8, shuffle=True), change, autocast)
    loader = watch(DataLoader(data, 8, shuffle=True), "imagenet")
    with pytest.warns(NormalizationWarning, match=WRONG) as met:
        watched = _trained(loader, change, autocast)
    assert len([w for w in met if w.category is NormalizationWarning]) == 1
    assert watched.keys() == plain.keys()
    assert all(torch.equal(watched[name], plain[name]) for name in plain)


def test_a_loader_with_workers():
    data = TensorDataset(pictures(), torch.zeros(48))
    loader = DataLoader(
        data, 16, num_workers=1, persistent_workers=True, pin_memory=torch.cuda.is_available()
    )
    watched = watch(loader, "imagenet")
    with pytest.warns(NormalizationWarning, match=WRONG):
        first = [images for images, _ in watched]
    assert torch.equal(torch.cat(first), data.tensors[0])
    workers = watched._iterator._workers
    assert len(list(watched)) == 3
    # They live on for both, and are started once.
    assert watched._iterator._workers is workers is loader._iterator._workers


def test_a_watched_data_loader_is_one():
    class Own(DataLoader):
        def __init__(self, data, note):
            super().__init__(data, 4)
            self.note = note

        def __iter__(self):
            return ([images, self.note] for (images,) in super().__iter__())

    loader = Own(TensorDataset(pictures(8)), "a")
    watched = watch(loader, "imagenet", batches=1)
    assert isinstance(watched, Own)
    with pytest.raises(ValueError, match="batch_size attribute should not be set"):
        watched.batch_size = 8
    watched.note = "b"
    assert loader.note == "b"
    again = type(watched)(loader.dataset, "c")  # as Lightning does
    with pytest.warns(NormalizationWarning, match=WRONG):
        assert [note for _, note in again] == ["c", "c"]
    watched = watch(DataLoader(TensorDataset(pictures(8)), 4), "imagenet", batches=1)
    sent = pickle.loads(pickle.dumps(watched))  # as to a process that is spawned
    assert repr(sent).startswith("<Watched: <torch.utils.data.dataloader.DataLoader object")
    with pytest.warns(NormalizationWarning, match=WRONG):
        list(sent)


def test_an_endless_data_loader_has_no_length():
    class Endless(IterableDataset):
        def __iter__(self):
            while True:
                yield from pictures(4)

    watched = watch(DataLoader(Endless(), 4), "imagenet")
    with pytest.raises(TypeError, match="has no len"):
        len(watched)
    with pytest.warns(NormalizationWarning, match=WRONG):
        for _, _batch in zip(range(4), watched, strict=False):
            pass


def test_what_a_training_changes_in_a_loader_of_its_own_is_changed():
    class Prefetching:  # as timm's, whose mixup its trainings end so
        def __init__(self):
            self.collate = SimpleNamespace(mixup=True)

        mixup = property(
            lambda self: self.collate.mixup, lambda self, on: setattr(self.collate, "mixup", on)
        )

        def __iter__(self):
            return iter([])

    loader = Prefetching()
    watched = watch(loader, "imagenet")
    watched.mixup = False
    assert watched.mixup is loader.mixup is False


def test_a_loop_that_is_left_early_is_judged_by_what_it_saw():
    loader = DataLoader(TensorDataset(pictures()), 16)
    with pytest.warns(NormalizationWarning, match=WRONG):
        next(iter(watch(loader, "imagenet")))
    right = DataLoader(TensorDataset((pictures() - MEAN) / STD), 16)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        next(iter(watch(right, "imagenet")))


RANKS = """
import os
import signal
rank = int(os.fork() == 0)
signal.alarm(250)  # or one would wait for another that has failed
os.environ.update(WORLD_SIZE="2", RANK=str(rank), LOCAL_RANK=str(rank), NODE_RANK="0")
import logging
import sys
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
torch.set_num_threads(1)
sys.path[:0] = {path!r}
from normscope import watch
from tests.checking.batches import MEAN, STD, pictures

def told(text):  # by one call, so that two processes do not write into each other's lines
    os.write(1, (text + "\\n").encode())

numbered = TensorDataset(torch.arange(32), pictures(32), torch.arange(32) % 2)
"""

DDP = """
import torch.distributed as dist
dist.init_process_group("gloo", init_method="file://" + os.getcwd() + "/store",
                        rank=rank, world_size=2)
sampler = torch.utils.data.distributed.DistributedSampler(numbered)
network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 2))
network = nn.parallel.DistributedDataParallel(network)
optimizer = torch.optim.SGD(network.parameters(), 0.1)
loader = watch(DataLoader(numbered, 8, sampler=sampler), "imagenet")
loader.sampler.set_epoch(1)
seen = []
for numbers, images, labels in loader:
    optimizer.zero_grad()
    nn.functional.cross_entropy(network(images), labels).backward()
    optimizer.step()
    seen += numbers.tolist()
list(watch([pictures(8) * (2 + rank)], "none"))  # other values on each process
if rank:  # wrong on one alone
    list(watch([torch.full((4, 3, 8, 8), torch.nan)], "half"))
told(f"{{rank}} {{len(set(seen))}} {{next(network.parameters()).sum().item()}}")
dist.barrier()
"""

LIGHTNING = """
import pytorch_lightning as lightning
from normscope.lightning import NormalizationGuard
logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="{port}")

class Module(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.network = nn.Linear(3, 2)
        self.seen = set()

    def training_step(self, batch, _):
        numbers, images, labels = batch
        self.seen |= set(numbers.tolist())
        return nn.functional.cross_entropy(self.network(images.mean((2, 3))), labels)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)

module = Module()
lightning.Trainer(
    max_epochs=1, accelerator="cpu", devices=2, strategy="ddp", logger=False,
    enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    callbacks=[NormalizationGuard("half")],
).fit(module, watch(DataLoader(numbered, 8, shuffle=True), "imagenet"))
told(f"{{rank}} {{len(module.seen)}} {{module.network.weight.sum().item()}}")
"""

FSDP = """
import torch.distributed as dist
from torch.distributed.fsdp import fully_shard
import normscope
from normscope.errors import NormscopeError
from tests.auditing import networks
dist.init_process_group("gloo", init_method="file://" + os.getcwd() + "/store",
                        rank=rank, world_size=2)

def asked(model):
    found = normscope.audit(model, norm="imagenet", images={photos!r}, resize=40, crop=32)
    return [mistake.cost and mistake.cost.lost for mistake in found.mistakes]

network = networks.small()
expected = asked(network)
fully_shard(network, mesh=dist.init_device_mesh("cpu", (2,)))
try:
    asked(network)
except NormscopeError as error:
    told(str(error))
told(str(asked(lambda images: network(images)) == expected))
dist.barrier()
"""

ENDED = """
if rank:
    os._exit(0)
assert os.wait()[1] == 0
"""


@pytest.fixture(scope="module")
def fresh():
    pytest.importorskip("pytorch_lightning")
    modules = ("torch.distributed", "torch.utils.data", "pytorch_lightning")
    with fresh_processes(*modules) as run:
        yield run


@pytest.mark.parametrize("script", [DDP, LIGHTNING], ids=["ddp", "lightning"])
def test_of_two_processes_each_sees_its_share_and_one_says_what_is_wrong(script, fresh, tmp_path):
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    whole = (RANKS + script).format(path=sys.path, port=port) + ENDED
    out, errors = fresh(whole, tmp_path)
    (rank, seen, weights), other = sorted(line.split() for line in out.splitlines())
    assert (rank, seen) == ("0", "16")
    assert other == ["1", "16", weights]
    assert errors.count(WRONG) == 1
    if script == LIGHTNING:
        said = "The first batches are not what half gives: they are not normalized."
        assert errors.count(said) == 1
    else:
        assert errors.count("The first batches are not what none gives: they reach from ") == 1
        assert errors.count("The first batches are not what half gives: they hold nan or inf.") == 1


def test_a_network_that_is_spread_over_processes_is_audited_by_a_function(fresh, photos, tmp_path):  # noqa: F811
    script = (RANKS + FSDP).format(path=sys.path, photos=str(photos / "val")) + ENDED
    out, _ = fresh(script, tmp_path)
    said = (
        "the model must be one that can be copied, got AssertionError: FSDP does not support "
        "deepcopy. Please use state dict for serialization. Where FSDP spreads it over processes, "
        "give a function, such as model=lambda images: network(images), in all of them."
    )
    assert sorted(out.splitlines()) == ["True", "True", said, said]
