"""``--clip window``: the window of DICOM headers, against pydicom's own."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.pixels import apply_modality_lut, apply_windowing

from normscope import stats
from normscope.cli.app import run
from tests.images.damaged import refusal

RANDOM = np.random.default_rng(4)


def save(path, centre=None, width=None, function=None):
    """A slice of CT with other pixels and this window; its values in Hounsfield units."""
    header = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    stored = RANDOM.integers(0, 2500, (header.Rows, header.Columns), dtype=np.int16)
    header.PixelData = stored.tobytes()
    for name, value in (
        ("WindowCenter", centre), ("WindowWidth", width), ("VOILUTFunction", function),
    ):  # fmt: skip
        if value is not None:
            setattr(header, name, value)
        elif name in header:
            delattr(header, name)
    header.save_as(path)
    return header


def windowed(header, function=None):
    """As pydicom shows it, from 0 to 1."""
    if function is not None:
        header.VOILUTFunction = function
    stored = apply_modality_lut(header.pixel_array, header)
    shown = apply_windowing(stored, header)
    return (shown - shown.min()) / (shown.max() - shown.min())


@pytest.mark.parametrize(
    ("centre", "width", "function", "ends"),
    [
        (40, 400, None, (-160, 239)),
        (40, 400, "LINEAR", (-160, 239)),
        (40, 400, "LINEAR_EXACT", (-160, 240)),
        ([300, 40], [1500, 80], None, (-450, 1049)),
    ],
)
def test_the_pixels_are_those_that_pydicom_shows(tmp_path, centre, width, function, ends):
    header = save(tmp_path / "a.dcm", centre, width, function)
    found = stats(tmp_path / "a.dcm", clip="window").clip
    assert (found.low, found.high, found.exact) == ((ends[0],), (ends[1],), True)
    values = windowed(header)
    span = ends[1] - ends[0]
    assert found.stored_mean == pytest.approx((ends[0] + span * values.mean(),), rel=1e-9)
    assert found.stored_std == pytest.approx((span * values.std(),), rel=1e-9)


def test_of_several_windows_the_most_frequent_is_used_and_all_are_said(tmp_path, capsys):
    windows = [(40, 400), (40, 400), (300, 1500), (None, None)]
    scans = tmp_path / "scans"
    scans.mkdir()
    headers = [save(scans / f"{k}.dcm", *window) for k, window in enumerate(windows)]
    found = stats(scans, clip="window", out=tmp_path / "out")
    values = np.concatenate([apply_modality_lut(h.pixel_array, h).ravel() for h in headers])
    clipped = np.clip(values, -160, 239)
    assert found.clip.stored_mean == pytest.approx((clipped.mean(),), rel=1e-12)
    assert found.clip.stored_std == pytest.approx((clipped.std(),), rel=1e-12)
    assert found.notes[0] == (
        "The clip is the window of 2 of 4 images; these name -160 to 239 (2), -450 to 1049 (1) and "
        "none (1)."
    )
    assert stats(scans, clip="window", out=tmp_path / "out").to_json() == found.to_json()
    assert run(["stats", str(scans / "0.dcm"), "--clip", "window", "--format", "monai"]) == 0
    assert "a_min=-160.0, a_max=239.0" in capsys.readouterr().out


def test_one_window_of_all_is_no_matter_to_note(tmp_path):
    for k in range(2):
        save(tmp_path / f"{k}.dcm", 40, 400)
    assert not any("window" in note for note in stats(tmp_path, clip="window").notes)


@pytest.mark.parametrize(
    ("centre", "width", "function"),
    [(None, None, None), (40, None, None), (40, 400, "SIGMOID"), (40, 0, None)],
)
def test_no_window(tmp_path, centre, width, function):
    save(tmp_path / "a.dcm", centre, width, function)
    assert refusal(tmp_path / "a.dcm", clip="window") == (
        "clip='window' must have DICOM images whose headers name a window, got none among 1 image. "
        "Give the ends, as -1000:400."
    )
