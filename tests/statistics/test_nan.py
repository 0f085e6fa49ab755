"""Values that are NaN do not count, and it is said how many they are."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile

from normscope import stats
from normscope.cli.app import run

RANDOM = np.random.default_rng(1)


def holed(shape, dtype=np.float32):
    pixels = RANDOM.random(shape).astype(dtype)
    pixels[RANDOM.random(shape) < 0.1] = np.nan
    return pixels


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_they_are_counted_in_text_and_json(tmp_path, capsys, dtype):
    pixels = holed((3, 3, 8, 9), dtype)
    np.save(tmp_path / "a.npy", pixels)
    missing = int(np.isnan(pixels).sum())
    found = stats(tmp_path / "a.npy")
    assert found.nan == found.to_json()["nan"] == missing == 3 * 3 * 72 - sum(found.counted)
    expected = np.nanmean(pixels.astype(np.float64), (0, 2, 3))
    assert found.mean.value == pytest.approx(expected, rel=1e-12)
    sentence = f"{missing} pixel values are NaN and do not count."
    assert sentence in found.notes
    assert run(["stats", str(tmp_path / "a.npy"), "--json", str(tmp_path / "a.json")]) == 0
    assert sentence in capsys.readouterr().out
    assert json.loads((tmp_path / "a.json").read_text())["nan"] == missing
    again = [stats(tmp_path / "a.npy", out=tmp_path / "out").nan for _ in range(2)]
    assert again == [missing, missing]


def test_one_is_one_and_none_are_not_said():
    pixels = np.full((2, 4, 4), 0.5, np.float32)
    assert not any("NaN" in note for note in stats(pixels).notes)
    pixels[0, 0, 0] = np.nan
    assert "1 pixel value is NaN and does not count." in stats(pixels).notes


def test_only_those_that_would_count(tmp_path):
    pixels = np.full((1, 1, 2, 3), 0.5, np.float32)
    pixels[0, 0, 0] = np.nan
    tifffile.imwrite(tmp_path / "a.tif", pixels[0, 0], extratags=[(42113, "s", 0, "nan", True)])
    tifffile.imwrite(tmp_path / "m.tif", np.uint8([[0, 1, 1], [1, 1, 1]]))
    assert stats(tmp_path / "a.tif").nan == 3
    (tmp_path / "masks").mkdir()
    (tmp_path / "m.tif").rename(tmp_path / "masks" / "a.tif")
    assert stats(tmp_path / "a.tif", mask=tmp_path / "masks").nan == 2


def test_of_an_image_that_is_read_by_window(tmp_path, monkeypatch):
    monkeypatch.setattr("normscope.images.tiff_windows.WHOLE_BYTES", 1000)
    pixels = holed((70, 80))
    tifffile.imwrite(tmp_path / "a.tif", pixels, tile=(16, 16))
    assert stats(tmp_path / "a.tif").nan == np.isnan(pixels).sum()
