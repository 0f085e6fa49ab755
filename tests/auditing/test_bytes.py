"""Pipelines that hand over bytes: what normalizes them is not under test."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms import v2

import normscope
from tests.auditing import networks
from tests.auditing.networks import MEAN, STD

OPTIONS = {"resize": 40, "crop": 32}
NORMALIZED = v2.Compose(
    [v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN.tolist(), STD.tolist())]
)


class Converting(networks.NearestTint):
    """Takes whatever numbers it is given, as many networks of transformers do."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images.float())


class OfBytes(networks.NearestTint):
    """Normalizes by itself."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(NORMALIZED.transforms[1](images / 255))


def audited(photos, model=networks.small, norm="imagenet", pipeline=networks.as_bytes):
    given = model if isinstance(model, torch.nn.Module) else model()
    return normscope.audit(
        given, norm=norm, images=photos, pipeline=pipeline, fail_over=0.0, **OPTIONS
    )


def as_array(image):
    return np.asarray(networks.as_bytes(image)).transpose(1, 2, 0)


@pytest.mark.parametrize("given", [networks.as_bytes, as_array])
def test_of_bytes_that_the_network_does_not_take_something_must_make_floats(photos, given):
    found = audited(photos, pipeline=given)
    name = getattr(given, "__name__", "Compose")
    assert found.to_json()["verdict"] == "unsettled"
    assert found.sentences[0] == (
        f"Not settled: the pipeline {name} hands over bytes, which NearestTint does not take; test "
        "it together with what normalizes them later, as one function."
    )
    assert (
        "If nothing normalizes them later, for example on the GPU, this is the price of handing "
        "over 0 to 255: divide by 255 and normalize with 0.485,0.456,0.406/0.229,0.224,0.225."
    ) in found.sentences
    assert not any("more images would tell" in said for said in found.sentences)
    tested = found.to_json()["pipeline"]
    assert (tested["bytes_taken"], tested["fails"]) == (False, True)
    # What they cost is what the same numbers cost as floats.
    as_floats = audited(photos, pipeline=lambda image: networks.as_bytes(image).float())
    assert as_floats.tested.bytes_taken is None
    assert found.tested.cost == as_floats.tested.cost


def test_together_with_what_normalizes_them_they_are_right(photos):
    def both(image):
        return NORMALIZED(networks.as_bytes(image))

    found = audited(photos, pipeline=both)
    assert (found.tested.cost.lost, found.tested.fails) == (0, False)


def test_a_network_that_takes_bytes_as_they_are_is_given_what_it_does_not_expect(photos):
    found = audited(photos, Converting)
    assert found.to_json()["verdict"] == "yes"
    assert found.sentences[0] == (
        "Yes: the pipeline Compose hands over bytes, which Converting takes as they are; normalize "
        "them, or test it together with what does so later."
    )
    assert (found.tested.bytes_taken, found.tested.fails) == (True, True)


def test_bytes_are_right_for_a_network_that_expects_them(photos):
    found = audited(photos, OfBytes, norm="0/0.00392157")
    assert (found.tested.cost.lost, found.tested.differs, found.tested.fails) == (0, False, False)
    assert found.tested.bytes_taken is None
