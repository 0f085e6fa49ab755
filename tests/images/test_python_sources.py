"""What Python callers hand over in place of a name: one image alone, and tensors of every kind."""

from __future__ import annotations

import io

import pytest
import torch
from PIL import Image

from normscope import stats
from normscope.errors import NormscopeError

GREY = Image.new("L", (4, 4), 51)


def test_one_image_is_a_source():
    encoded = io.BytesIO()
    GREY.save(encoded, "png")
    for image in (GREY, encoded.getvalue(), bytearray(encoded.getvalue())):
        found = stats(image)
        assert (found.images, found.mean.value) == (1, (0.2,))


@pytest.mark.parametrize(
    ("tensor", "met"),
    [
        (torch.eye(4)[None].to_sparse(), "torch.sparse_coo of torch.float32 on cpu"),
        (torch.empty(1, 4, 4, device="meta"), "torch.strided of torch.float32 on meta"),
    ],
)
def test_tensors_that_numpy_cannot_hold(tensor, met):
    with pytest.raises(NormscopeError) as error:
        stats(tensor)
    assert str(error.value) == (
        f"a tensor must be dense and hold values that NumPy has, got {met}. Convert it."
    )
