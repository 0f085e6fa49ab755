"""Batches of every form: where their images are, and that nothing in them ends a training."""

from __future__ import annotations

import warnings
from collections import UserDict
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from normscope import watch
from normscope.auditing.batch_images import sampled
from normscope.checking.guarding import Guard, NormalizationWarning
from normscope.normalization import PRESETS
from tests.checking.batches import MEAN, STD, pictures, said_of_batch, said_of_loader


@dataclass(slots=True)
class Slots:
    """A batch whose class has no ``__dict__``."""

    images: object


def _numpy(images):
    return images.numpy()


FORMS = {
    "reversed": lambda x: _numpy(x.flip(1))[:, ::-1],
    "read-only": lambda x: np.frombuffer(_numpy(x).tobytes(), "f4").reshape(x.shape),
    "big-endian": lambda x: _numpy(x).astype(">f4"),
    "long double": lambda x: _numpy(x).astype(np.longdouble),
    "float8": lambda x: x.to(torch.float8_e4m3fn),
    "bfloat16": lambda x: x.bfloat16(),
    "float64": lambda x: x.double(),
    "needs a gradient": lambda x: x.clone().requires_grad_(),
    "channels_last": lambda x: x.to(memory_format=torch.channels_last),
    "slots": Slots,
    "NHWC": lambda x: _numpy(x.permute(0, 2, 3, 1)),
    "video": lambda x: x.unflatten(0, (-1, 4)),
    "volume": lambda x: x.unflatten(0, (-1, 4)).movedim(2, 1),
    "stacked": lambda x: x.unflatten(0, (-1, 2)).flatten(1, 2),
    "list": lambda x: ([*x], [{}] * len(x)),
    "dicts": lambda x: [{"image": image, "masks": image[:1] > 0} for image in x],
    "one": lambda x: (x[0], 3),
    "masks first": lambda x: {"mask": torch.ones(len(x), 1, 9, 9), "image": x},
    "features first": lambda x: (torch.rand(len(x), 512, 7, 7), x),
}


@pytest.mark.parametrize("form", FORMS)
def test_images_of_every_form_are_judged(form):
    photos = pictures(16)
    assert said_of_batch([FORMS[form]((photos - MEAN) / STD)]) == []
    (said,) = said_of_batch([FORMS[form](photos)])
    assert said == "The first batches are not what imagenet gives: they are not normalized."


@pytest.mark.parametrize("norm", ["half", "none"])
def test_of_several_parts_one_that_is_right_is_enough(norm):
    mean, std = PRESETS[norm].mean[0], PRESETS[norm].std[0]
    photos = pictures(16)
    masks = (photos[:, :1] > 0.5).float()
    for right in ({"mask": masks, "x": (photos - mean) / std}, [photos, (photos - mean) / std]):
        assert said_of_batch(right, norm) == []
    (said,) = said_of_batch({"mask": masks.bool(), "x": 255 * photos}, norm)
    assert "pixels of 0..255" in said


def test_depths_may_be_unknown_and_pixels_may_not():
    right = (pictures(16) - MEAN) / STD
    unknown = torch.full_like(right, torch.inf)
    assert said_of_batch([right, unknown]) == []
    assert said_of_batch([unknown, right])[0].endswith("they hold nan or inf.")


def test_grey_and_colour_may_take_turns():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(watch([2 * pictures(4) - 1, 2 * pictures(4)[:, :1] - 1], "half"))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_torchs_default_precision_changes_nothing(dtype):
    photos = pictures(16)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        assert "they are not normalized" in said_of_batch([photos])[0]
    finally:
        torch.set_default_dtype(before)


def test_nothing_is_asked_that_some_devices_lack():
    class Met(TorchDispatchMode):
        """Notes in which precision torch computes."""

        dtypes: ClassVar[set] = set()

        def __torch_dispatch__(self, func, _types, args=(), kwargs=None):
            result = func(*args, **(kwargs or {}))
            of = result if isinstance(result, tuple | list) else [result]
            self.dtypes.update(one.dtype for one in of if isinstance(one, torch.Tensor))
            return result

    guard, photos = Guard("half", batches=1), pictures(4)
    with Met() as met:
        guard.look(photos)
    assert torch.float32 in met.dtypes
    assert torch.float64 not in met.dtypes


def test_a_batch_that_cannot_be_read_ends_no_training():
    class Broken(UserDict):
        def items(self):
            raise OSError(5, "the disk is gone")

    held = []
    held.append(held)
    assert "they hold no tensor of images" in _said_of_one(held)
    assert _said_of_one(Broken()) == (
        "Whether the first batches are what imagenet gives cannot be told: OSError, [Errno 5] the "
        "disk is gone."
    )


def _said_of_one(batch):
    with pytest.warns(NormalizationWarning) as met:
        assert len(list(watch([batch], "imagenet"))) == 1
    (said,) = met
    return str(said.message)


def test_few_images_of_low_contrast_are_passed_over():
    bright = 2 * (0.5 + 0.5 * pictures(3)) - 1
    for image in bright:
        assert said_of_batch([image[None]], "half", batches=1) == []
    assert "they are not normalized" in said_of_batch([pictures(3)], "half", batches=1)[0]


def test_images_that_are_a_little_bluer_are_no_bgr():
    # As of the earth from above: EuroSAT's means are 0.344, 0.380 and 0.408.
    grey = pictures(96).mean(1, keepdim=True)
    earth = 0.85 * grey + torch.tensor([-0.05, -0.02, 0.015])[:, None, None]
    assert said_of_loader((earth.clamp(0, 1) - MEAN) / STD) == []


def test_normalized_twice_is_said_of_images_of_low_contrast():
    faint = 0.1 + 0.8 * pictures(16)
    (said,) = said_of_batch([((faint - MEAN) / STD - MEAN) / STD])
    assert said.endswith("they are normalized twice.")


def test_every_column_is_sampled():
    columns = torch.tensor([0] + [1] * 511).byte()
    images = columns.expand(400, 512, 512)[..., None]
    assert sampled([images]).pixels.mean() > 0.99
