"""Checks of files that are no bytes: which value is white, or that none is."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image

from normscope import check
from normscope.checking.depth import Depth
from tests.checking.test_check import flat, stating, with_weights

__all__ = ["flat", "stating"]


def test_floats_below_0_are_no_pixels(stating, flat, tmp_path):
    tifffile = pytest.importorskip("tifffile")
    for path in sorted(flat.glob("*.png"))[:3]:
        values = (np.asarray(Image.open(path)) / 255 - 0.45) / 0.22
        tifffile.imwrite(
            tmp_path / f"{path.stem}.tif", values.astype(np.float32), photometric="rgb"
        )
    found = check(**stating, images=tmp_path, norm="imagenet")
    assert re.search(
        r"^Wrong: the files hold floats from \S+ to \S+ \(mean \S+, std \S+\), which look "
        r"normalized already; use none \(0/1\) if ",
        found.sentence,
    )
    for norm in ("none", "data"):
        assert check(**stating, images=tmp_path, norm=norm).verdict == "cannot tell"


@pytest.mark.parametrize(("dtype", "kind"), [(np.int16, "integers"), (np.float32, "floats")])
def test_values_in_a_unit_of_their_own_are_not_taken_for_normalized_ones(
    stating, tmp_path, dtype, kind
):
    tifffile = pytest.importorskip("tifffile")
    random = np.random.default_rng(0)
    for i in range(3):
        hounsfield = random.integers(-1000, 1500, (32, 32, 3)).astype(dtype)
        tifffile.imwrite(tmp_path / f"{i}.tif", hounsfield, photometric="rgb")
    found = check(**stating, images=tmp_path, norm="imagenet")
    assert found.verdict == "cannot tell"
    assert found.sentence.startswith(f"Cannot tell: the files hold {kind} from -1000 to 1499, ")
    assert "a unit of their own (HU, heights)" in found.sentence


def test_nodata_that_a_header_names_is_no_depth(stating, flat, tmp_path):
    tifffile = pytest.importorskip("tifffile")
    for path in sorted(flat.glob("*.png"))[:3]:
        values = np.asarray(Image.open(path)).astype(np.float32)
        values[:2] = -9999
        tifffile.imwrite(
            tmp_path / f"{path.stem}.tif", values, photometric="rgb",
            extratags=[(42113, "s", 0, "-9999", True)],
        )  # fmt: skip
    found = check(**stating, images=tmp_path, norm="imagenet", scale=255)
    assert "floats from 0 to" in "".join(evidence.says for evidence in found.evidence)


@pytest.mark.parametrize(
    ("top", "full"), [(0.9, 1), (1.3, 1), (200.0, 255), (3000.0, 4095), (255.5, 255)]
)
def test_white_of_floats(top, full):
    assert Depth(limit=1, top=top).full == full


@pytest.mark.parametrize(
    ("top", "said", "full"),
    [(4080, None, 4095), (6000, None, 16383), (20000, None, 65535), (6000, 10000, 10000),
     (6000, 3000, 3000), (4080, 65535, 4095), (200, 100, 255)],
)  # fmt: skip
def test_white_of_16_bits(top, said, full):
    """What the user divides by is believed where the values allow it."""
    assert Depth(limit=65535, top=top, said=said).full == full


def _floats(folder, change):
    tifffile = pytest.importorskip("tifffile")
    values = np.random.default_rng(0).random((3, 32, 32, 3))
    for i, image in enumerate(change(values).astype(np.float32)):
        tifffile.imwrite(folder / f"{i}.tif", image, photometric="rgb")
    return folder


def test_floats_that_leave_0_to_1_by_a_little_are_pixels(stating, tmp_path):
    found = check(**stating, images=_floats(tmp_path, lambda x: x * 1.1 - 0.05), norm="imagenet")
    assert found.verdict == "right"
    assert "values outside [0, 1] count as 0 or 1" in found.evidence[-1].says


def test_white_of_a_unit_of_its_own_must_be_said(stating, tmp_path):
    folder = _floats(tmp_path, lambda x: 250 + 60.3 * x)
    found = check(**stating, images=folder, norm="imagenet")
    assert found.verdict == "cannot tell"
    assert found.sentence.startswith("Cannot tell: the files hold floats from 250 to 310.")
    assert found.sentence.endswith(
        ", a unit of their own, and nothing says what you divide them by to bring them to [0, 1]. "
        "Give scale."
    )
    assert check(**stating, images=folder, norm="imagenet", scale=320).verdict == "right"


BYTES = "123.675,116.28,103.53/58.395,57.12,57.375"


def test_constants_of_bytes_are_right_where_nothing_is_divided(stating, flat):
    found = check(**stating, images=flat, norm=BYTES, count=8)
    assert found.sentence.startswith(
        "Wrong: the constants are of pixels as they are stored, and these are divided by 255, "
    )
    assert found.sentence.endswith(
        "; divide the constants by that too, or say scale=1 if you do not divide pixels."
    )
    assert check(**stating, images=flat, norm=BYTES, count=8, scale=1).verdict == "right"
    assert check(**stating, images=flat, norm="imagenet", count=8, scale=1).verdict == "wrong"


def test_what_is_expected_is_never_wrong(tmp_path, flat):
    """Where a library's statement is all that is known, and floats of 0..255 are not divided."""
    weights = with_weights(tmp_path / "w.safetensors")
    folder = _floats(tmp_path, lambda x: 255 * x)
    assert check(**weights, images=folder, norm=BYTES).verdict == "cannot tell"


def test_other_constants_of_bytes_are_not_blamed_on_the_scale(stating, flat):
    found = check(**stating, images=flat, norm="60/110", scale=1)
    assert "scale=255" not in found.sentence
