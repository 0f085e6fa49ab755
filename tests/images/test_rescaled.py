"""Values that a DICOM or NIfTI header rescales, and what they are called."""

from __future__ import annotations

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom import Dataset
from pydicom.data import get_testdata_file

from normscope import stats
from normscope.cli.app import run

RANDOM = np.random.default_rng(0)


def test_values_that_a_header_rescales_are_not_called_stored(tmp_path, capsys):
    path = get_testdata_file("CT_small.dcm")
    assert run(["stats", path, "--scale", "4000", "--clip", "-160:240"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "Clip the pixels first, in HU, to -160..240; what follows does not:" in out
    assert "mean (HU)" in out
    assert "tored" not in out
    values = np.arange(24, dtype=np.int16).reshape(4, 3, 2)
    volume = nibabel.Nifti1Image(values, np.eye(4))
    volume.header.set_slope_inter(2, -5)
    (tmp_path / "a.nii").write_bytes(volume.to_bytes())
    assert run(["stats", str(tmp_path / "a.nii"), "--scale", "50", "--clip", "0:30"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "Clip the pixels first, after the header's slope and offset, to 0..30; what" in out
    assert "mean (rescaled)" in out
    assert "tored" not in out


def test_volumes_of_one_file_are_said_to_be_slices_and_no_channels(tmp_path):
    values = RANDOM.integers(0, 255, (4, 3, 2, 5), dtype=np.uint8)
    (tmp_path / "a.nii").write_bytes(nibabel.Nifti1Image(values, np.eye(4)).to_bytes())
    assert (
        "10 images of files with 5 volumes each, which count as more slices, as of a film: if "
        "they are channels, save each file's get_fdata().transpose(2, 3, 1, 0) as .npy."
    ) in stats(tmp_path / "a.nii").notes


def _enhanced(path, frames, per_frame, windows):
    """CT as enhanced multi-frame objects keep it: nothing of the scaling at the top level."""
    header = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    for name in ("RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth"):
        if name in header:
            delattr(header, name)

    def group(transform, window=None):
        item = Dataset()
        if transform is not None:
            item.PixelValueTransformationSequence = [Dataset()]
            inner = item.PixelValueTransformationSequence[0]
            inner.RescaleSlope, inner.RescaleIntercept, inner.RescaleType = transform
        if window is not None:
            item.FrameVOILUTSequence = [Dataset()]
            item.FrameVOILUTSequence[0].WindowCenter, item.FrameVOILUTSequence[0].WindowWidth = (
                window
            )
        return item

    header.NumberOfFrames = len(frames)
    header.Rows, header.Columns = frames.shape[1:]
    header.PixelData = frames.astype("<i2").tobytes()
    shared = per_frame[0] if len(set(per_frame)) == 1 else None
    header.SharedFunctionalGroupsSequence = [group(shared)]
    header.PerFrameFunctionalGroupsSequence = [
        group(None if shared else each, window)
        for each, window in zip(per_frame, windows, strict=True)
    ]
    header.save_as(path)


def test_an_enhanced_file_that_rescales_nothing_keeps_its_integers(tmp_path):
    frames = RANDOM.integers(0, 3000, (3, 16, 18))
    _enhanced(tmp_path / "a.dcm", frames, [(1, 0, "US")] * 3, [None] * 3)
    assert stats(tmp_path / "a.dcm").dtype == "int16"


@pytest.mark.parametrize("slopes", [(1, 1, 1), (1, 0.5, 2)])
def test_an_enhanced_file_is_rescaled_by_its_functional_groups(tmp_path, slopes):
    frames = RANDOM.integers(0, 3000, (3, 16, 18))
    transforms = [(slope, -1024, "HU") for slope in slopes]
    _enhanced(tmp_path / "a.dcm", frames, transforms, [(40, 400)] * 3)
    found = stats(tmp_path / "a.dcm", clip="window")
    units = frames * np.array(slopes)[:, None, None] - 1024
    assert (found.unit, found.scale) == ("HU", 1)
    assert found.mean.value == (pytest.approx(units.mean(), rel=1e-12),)
    assert found.std.value == (pytest.approx(units.std(), rel=1e-12),)
    assert found.clip.stored_mean == (pytest.approx(units.clip(-160, 239).mean(), rel=1e-3),)


def test_the_unit_of_pet_is_its_own_and_an_unspecified_one_is_none(tmp_path):
    header = pydicom.dcmread(get_testdata_file("MR_small.dcm"))
    header.Modality, header.Units = "PT", "BQML"
    header.RescaleSlope, header.RescaleIntercept = 2.5, 0
    header.save_as(tmp_path / "a.dcm")
    assert stats(tmp_path / "a.dcm").unit == "BQML"
    header.Modality, header.RescaleType = "MR", "US"
    header.save_as(tmp_path / "a.dcm")
    assert stats(tmp_path / "a.dcm", scale=1).unit is None


def _ct(path, **given):
    header = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    pixels = header.pixel_array.astype(np.int16)
    for name, value in given.items():
        setattr(header, name, value)
    header.save_as(path)
    return pixels


def test_ct_that_is_stored_in_hounsfield_units_is_like_other_ct(tmp_path):
    pixels = _ct(tmp_path / "a.dcm", RescaleSlope=1, RescaleIntercept=0)
    found = stats(tmp_path)
    assert (found.unit, found.scale, found.minimum) == ("HU", 1, (pixels.min(),))
    _ct(tmp_path / "b.dcm", RescaleSlope=1, RescaleIntercept=-1024)
    both = stats(tmp_path)
    assert (both.unit, both.images) == ("HU", 2)
    assert both.mean.value == (pytest.approx(pixels.mean() - 512, rel=1e-12),)


def test_the_scale_of_signed_values_has_their_sign_apart(tmp_path):
    header = pydicom.dcmread(get_testdata_file("MR_small.dcm"))
    header.BitsStored, header.HighBit, header.PixelRepresentation = 12, 11, 1
    header.PixelData = (header.pixel_array // 2).astype("<i2").tobytes()
    header.save_as(tmp_path / "a.dcm")
    assert "1 image of 12 bits: scale=2047 brings them to [-1, 1]." in stats(tmp_path).notes
