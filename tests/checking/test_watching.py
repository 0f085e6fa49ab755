"""The guard of a training: real loaders, right and wrong, and one step of a real Trainer."""

from __future__ import annotations

import logging
import pickle
import warnings
from collections import UserDict
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from normscope import watch
from normscope.checking.guarding import Guard, NormalizationWarning
from normscope.errors import NormscopeError
from normscope.normalization import MNIST, PRESETS, Normalization
from tests.checking.batches import MEAN, STD, pictures, said_of_loader


@dataclass
class Held:
    """A batch of its own class, with what pandas' have."""

    images: object
    values = None


WRONG = {
    "they are not normalized": lambda x: x,
    "they are normalized twice": lambda x: ((x - MEAN) / STD - MEAN) / STD,
    "pixels are divided by 255 twice": lambda x: (x / 255 - MEAN) / STD,
    "pixels of 0..255 are not divided by 255": lambda x: (255 * x - MEAN) / STD,
    "pixels of 0..255 are handed over as they are": lambda x: 255 * x,
    "nothing is divided by the std": lambda x: x - MEAN,
    "the mean stands in the place of the std": lambda x: (x - MEAN) / MEAN,
    "they are normalized with half": lambda x: 2 * x - 1,
    "images are BGR for RGB, unless they are by nature far more blue, as under water": (
        lambda x: (x.flip(1) - MEAN) / STD
    ),
    "they hold nan or inf": lambda x: torch.where(x > 0.99, torch.nan, x),
    ("they reach from -6.22 to 6.93, and it can only give -2.12 to 2.64"): lambda x: (
        (x - MEAN) / STD * 2.6 + 0.1
    ).clamp(-6.22, 6.93),
}


@pytest.mark.parametrize("said", WRONG)
def test_what_is_wrong_is_said_once(said):
    found = said_of_loader(WRONG[said](pictures()))
    assert len(found) == 1
    are = "may not be" if "BGR" in said else "are not"
    assert found[0].startswith(f"The first batches {are} what imagenet gives: ")
    if not said.startswith("they reach"):
        assert said in found[0]
    else:
        assert "and it can only give -2.12 to 2.64." in found[0]


@pytest.mark.parametrize("norm", ["imagenet", "half", "none", "clip"])
def test_nothing_is_said_of_what_is_right(norm):
    right = PRESETS[norm].for_channels(3)
    mean, std = (torch.tensor(v)[:, None, None] for v in (right.mean, right.std))
    images = (pictures() - mean) / std
    assert said_of_loader(images, norm) == []
    # Erased parts, padding behind the normalization and low contrast are no other normalization.
    erased = images.clone()
    erased[:, :, :5, :1] = torch.randn(len(images), 3, 5, 1)
    assert said_of_loader(erased, norm) == []
    padded = torch.nn.functional.pad(images, (4, 4, 4, 4))
    assert said_of_loader(padded, norm) == []
    faint = (0.35 + 0.3 * pictures() - mean) / std
    assert said_of_loader(faint, norm) == []


@pytest.mark.parametrize(("mean", "std"), [(0.147, 0.083), (0.2, 0.1)])
def test_dark_images_that_never_are_white_are_right(mean, std):
    shown = np.random.default_rng(0).normal(size=(32, 3, 32, 32)).clip(-mean / std, 2.3)
    norm = Normalization((mean,) * 3, std)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(watch([torch.from_numpy(shown)], norm))
    # And what is normalized for others is told as before.
    with pytest.warns(NormalizationWarning, match="not normalized"):
        list(watch([torch.rand(32, 3, 32, 32)], norm))


def test_bytes_and_shapes_are_told():
    photos = (255 * pictures()).byte()
    said = "The first batches are not what half gives: pixels of 0..255 are handed over as they are"
    later = ". If the bytes are normalized later, watch what that gives."
    assert said_of_loader(photos, "half") == [said + later]
    assert said_of_loader(photos.float(), "half") == [f"{said}."]
    (said,) = said_of_loader(photos[:, :1], "imagenet")
    assert said.endswith("their shape is (16, 1, 32, 32), and it has 3 channels.")
    (said,) = said_of_loader(torch.from_numpy(photos.numpy().astype("u2") * 257), "none")
    assert said.endswith("they reach from 0 to 65535, and it can only give 0 to 1.")


def test_a_channel_alone():
    digits = pictures()[:, :1]
    assert said_of_loader((digits - MNIST.mean[0]) / MNIST.std[0], "mnist") == []
    (said,) = said_of_loader(digits, "mnist")
    assert "they are not normalized" in said


def test_batches_of_every_form_are_looked_at_and_passed_on_unchanged():
    images = pictures(8)
    named = UserDict(pixel_values=images)
    batches = (
        images,
        [images, 1],
        {"label": 1, "x": images},
        [images.numpy()],
        named,
        Held(images),
    )
    for batch in batches:
        watched = watch([batch], "imagenet", batches=1)
        with pytest.warns(NormalizationWarning, match="they are not normalized"):
            assert next(iter(watched)) is batch


@pytest.mark.parametrize(
    "batch",
    [
        "no images",
        [torch.zeros(8, 8, 8)],
        torch.zeros(2, 4, 5, 8, 8),
        Held(1),
        pictures(2).to_sparse(),
        pictures(2).to(torch.complex64),
        pictures(2).to("meta"),
    ],
)
def test_batches_without_images_are_said(batch):
    with pytest.warns(NormalizationWarning) as met:
        assert len(list(watch([batch] * 4, "half"))) == 4
    assert [str(warning.message) for warning in met] == [
        "Whether the first batches are what half gives cannot be told: they hold no tensor of "
        "images (N, C, H, W). Watch a loader that gives one."
    ]


def test_a_loader_of_fewer_batches_is_judged_as_it_ends():
    watched = watch([pictures()], "imagenet")
    with pytest.warns(NormalizationWarning, match="they are not normalized"):
        list(watched)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(watched)
        list(watch([], "imagenet"))


def test_no_batches_to_look_at_are_refused():
    with pytest.raises(NormscopeError) as met:
        watch([], "imagenet", batches=0)
    assert str(met.value) == "batches must be at least 1, got 0. Give a larger number."


def test_a_watched_loader_is_like_the_loader():
    loader = DataLoader(TensorDataset(pictures(8)), 4)
    watched = watch(loader, "none")
    assert watched.batch_size == 4
    assert watched.dataset is loader.dataset
    assert watched
    assert watch(iter(loader), "none")
    assert not watch([], "none")
    assert len(pickle.loads(pickle.dumps(watched))) == 2


def test_a_normalization_that_cannot_be_read_is_refused():
    with pytest.raises(Exception, match="normalization must be one of"):
        watch([], "imagnet")


def test_a_trainer_is_warned_and_goes_on(tmp_path):
    lightning = pytest.importorskip("pytorch_lightning")
    from normscope.lightning import NormalizationGuard

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)

    class Small(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(3, 2)
            self.steps = 0

        def training_step(self, batch, _):
            self.steps += 1
            images, labels = batch
            return torch.nn.functional.cross_entropy(self.layer(images.mean((2, 3))), labels)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.1)

    def trained(images):
        loader = DataLoader(TensorDataset(images, torch.zeros(len(images)).long()), 24)
        module = Small()
        with warnings.catch_warnings(record=True) as met:
            warnings.simplefilter("always")
            lightning.Trainer(
                max_steps=1, accelerator="cpu", logger=False, enable_checkpointing=False,
                enable_progress_bar=False, enable_model_summary=False,
                callbacks=[NormalizationGuard("imagenet")], default_root_dir=tmp_path,
            ).fit(module, loader)  # fmt: skip
        assert module.steps == 1
        return [str(w.message) for w in met if w.category is NormalizationWarning]

    assert trained((pictures() - MEAN) / STD) == []
    assert trained(pictures()) == [
        "The first batches are not what imagenet gives: they are not normalized."
    ]


def test_a_guard_stops_looking():
    guard = Guard("half", batches=1)
    assert guard.look(pictures(4)) is not None
    assert guard.done
    assert guard.look(torch.full((1, 3, 4, 4), torch.nan)) is None
