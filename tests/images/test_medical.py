"""DICOM and NIfTI files that their own libraries ship, against what these libraries read."""

from __future__ import annotations

import gzip
import io
import sys
import warnings
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file, get_testdata_files

from normscope import stats
from normscope.errors import NormscopeError
from normscope.images.decode import decode
from normscope.images.pixels import ALIKE, UnreadableImage

RANDOM = np.random.default_rng(0)
VOLUMES = Path(nibabel.__file__).parent / "tests" / "data"


def _dicoms():
    for name in get_testdata_files():
        path = Path(name)
        if path.is_file() and path.read_bytes()[128:132] == b"DICM":
            yield path


def test_every_dicom_is_what_pydicom_reads_or_is_refused():
    compared = 0
    for path in _dicoms():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = pydicom.dcmread(path)
            try:
                pixels = decode(path.read_bytes())
            except UnreadableImage as error:
                assert "Rows" not in header or "not a readable DICOM" in str(error), path  # noqa: PT017
                continue
            if (
                header.PhotometricInterpretation == "PALETTE COLOR"
                or "ModalityLUTSequence" in header
            ):
                continue
            stored = header.pixel_array.astype(float)
        values = stored * float(header.get("RescaleSlope", 1)) + float(
            header.get("RescaleIntercept", 0)
        )
        values *= float(header.get("DoseGridScaling", 1))
        np.testing.assert_allclose(np.sort(pixels.values, None), np.sort(values, None), rtol=1e-12)
        compared += 1
    assert compared > 60


def test_what_a_decoder_says_is_passed_on():
    data = Path(get_testdata_file("JPEG2000-embedded-sequence-delimiter.dcm")).read_bytes()
    with pytest.raises(UnreadableImage) as error:
        decode(data)
    announced = "not a readable DICOM image: Unable to decode as exceptions were raised by all"
    assert str(error.value).startswith(f"{announced} available plugins: ")
    assert not str(error.value).endswith((":", "."))


def _slices(folder, series, description, brightness):
    for k in range(8):
        header = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
        header.SeriesInstanceUID = f"1.2.826.0.1.{series}"
        header.SeriesDescription = description
        values = RANDOM.normal(brightness, 40, header.pixel_array.shape) + 5 * k
        header.PixelData = values.clip(0, 4000).astype(np.int16).tobytes()
        header.save_as(folder / f"{series}-{k}.dcm")


def test_series_in_one_folder_are_said_and_compared(tmp_path):
    _slices(tmp_path, "11111111", "thin", 1000)
    _slices(tmp_path, "22222222", "thick", 1200)
    assert stats(tmp_path).scale == 1
    assert stats(tmp_path).mean == stats(tmp_path, scale=1).mean
    note = "The DICOM files are of 2 series: by='series' compares them."
    assert note in stats(tmp_path, scale=1).notes
    found = stats(tmp_path, scale=1, by="series")
    assert note not in found.notes
    first, second = found.groups.groups
    assert (first.name, first.images) == ("thick ...22222222", 8)
    assert (second.name, second.images) == ("thin ...11111111", 8)
    start = "thick ...22222222 is higher than thin ...11111111 by 2"
    assert found.groups.sentence.startswith(start)
    assert " HU (" in found.groups.sentence
    assert ALIKE in found.notes
    header = pydicom.dcmread(tmp_path / "22222222-0.dcm")
    slices = [pydicom.dcmread(tmp_path / f"22222222-{k}.dcm").pixel_array for k in range(8)]
    intercept = float(header.RescaleIntercept)
    np.testing.assert_allclose(first.mean.value[0], np.mean(slices) + intercept, rtol=1e-12)
    (tmp_path / "plain").mkdir()
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "plain" / "a.png")
    with pytest.raises(NormscopeError) as error:
        stats(tmp_path / "plain", by="series")
    assert str(error.value) == (
        "by must find the group of at least one image, got none by series for 1 image. "
        "Give DICOM files whose headers name their series."
    )


def test_a_slice_of_ct_is_in_hounsfield_units():
    path = get_testdata_file("CT_small.dcm")
    header = pydicom.dcmread(path)
    units = header.pixel_array * float(header.RescaleSlope) + float(header.RescaleIntercept)
    counted = units[header.pixel_array != header.get("PixelPaddingValue", 2**31)]
    found = stats(path, scale=1)
    assert found.mean.value == (pytest.approx(counted.mean(), rel=1e-12),)
    assert found.std.value == (pytest.approx(counted.std(), rel=1e-12),)
    assert any("applied: values are in HU" in note for note in found.notes)


def test_a_dose_is_in_its_unit():
    header = pydicom.dcmread(get_testdata_file("rtdose.dcm"))
    header.DoseUnits = "GY"
    written = io.BytesIO()
    header.save_as(written)
    found = decode(written.getvalue())
    dose = header.pixel_array * float(header.DoseGridScaling)
    np.testing.assert_allclose(found.values[:, 0], dose, rtol=1e-12)
    assert "with scalings of dose, which are applied: values are in Gy" in found.noticed


def test_padding_does_not_count(tmp_path):
    header = pydicom.dcmread(get_testdata_file("MR_small.dcm"))
    array = header.pixel_array.copy()
    array[:5] = -2000
    header.PixelData = array.tobytes()
    header.add_new(0x00280120, "SS", -2000)
    header.save_as(tmp_path / "a.dcm")
    found = stats(tmp_path, scale=1)
    assert found.mean.value == (pytest.approx(array[5:].mean(), rel=1e-12),)
    assert (
        "1 image with pixels of the padding value that the header names, -2000: these do not count."
    ) in found.notes


def test_frames_are_images_and_dark_is_said():
    header = pydicom.dcmread(get_testdata_file("MR_small.dcm"))
    frame = header.pixel_array.copy()
    header.PixelData = np.stack([frame, frame + 1, frame + 2]).tobytes()
    header.NumberOfFrames = 3
    header.PhotometricInterpretation = "MONOCHROME1"
    file = io.BytesIO()
    header.save_as(file)
    pixels = decode(file.getvalue())
    np.testing.assert_array_equal(pixels.values[:, 0], [frame, frame + 1, frame + 2])
    assert "that are frames of one file: each counts as an image" in pixels.noticed
    assert any("MONOCHROME1" in text for text in pixels.noticed)


@pytest.mark.parametrize(
    "name",
    [
        "anatomical.nii", "functional.nii", "example4d.nii.gz", "example_nifti2.nii.gz",
        "standard.nii.gz", "reoriented_anat_moved.nii",
    ],
)  # fmt: skip
def test_a_volume_is_what_nibabel_reads(name):
    volume = nibabel.load(VOLUMES / name).get_fdata()
    found = stats(VOLUMES / name, scale=1)
    assert found.images == np.prod(volume.shape[2:])
    assert found.mean.value == (pytest.approx(volume.mean(), rel=1e-12),)
    assert found.std.value == (pytest.approx(volume.std(), rel=1e-12),)


def test_nan_in_a_volume_does_not_count():
    volume = nibabel.load(VOLUMES / "resampled_anat_moved.nii").get_fdata()
    assert np.isnan(volume).any()
    found = stats(VOLUMES / "resampled_anat_moved.nii", scale=1)
    assert found.mean.value == (pytest.approx(np.nanmean(volume), rel=1e-12),)


def test_slices_lie_as_the_volume_has_them():
    values = np.arange(24, dtype=np.int16).reshape(4, 3, 2)
    pixels = decode(nibabel.Nifti1Image(values, np.eye(4)).to_bytes())
    np.testing.assert_array_equal(pixels.values[:, 0], values.transpose(2, 1, 0))


def test_values_of_a_voxel_are_channels_and_volumes_are_slices():
    values = np.arange(4 * 3 * 2 * 2 * 3, dtype=np.int16).reshape(4, 3, 2, 2, 3)
    pixels = decode(nibabel.Nifti1Image(values, np.eye(4)).to_bytes())
    assert pixels.values.shape == (4, 3, 3, 4)
    for z in range(2):
        for t in range(2):
            np.testing.assert_array_equal(pixels.values[2 * z + t], values[:, :, z, t].T)
    assert "with 2 volumes each" in pixels.noticed[1]
    four = nibabel.Nifti1Image(values[..., 0], np.eye(4))
    assert decode(four.to_bytes()).values.shape == (4, 1, 3, 4)


def test_volumes_as_channels_are_saved_as_the_notice_says(tmp_path):
    values = np.random.default_rng(0).integers(0, 900, (4, 3, 2, 5)).astype(np.int16)
    path = tmp_path / "modalities.nii.gz"
    nibabel.Nifti1Image(values, np.eye(4)).to_filename(path)
    notice = next(note for note in stats(path).notes if "volumes" in note)
    assert notice == (
        "10 images of files with 5 volumes each, which count as more slices, as of a film: if they "
        "are channels, save each file's get_fdata().transpose(2, 3, 1, 0) as .npy."
    )
    np.save(tmp_path / "x.npy", nibabel.load(path).get_fdata().transpose(2, 3, 1, 0))
    found = stats(tmp_path / "x.npy", scale=1, layout="NCHW")
    assert found.mean.value == pytest.approx(values.mean((0, 1, 2)))
    with pytest.raises(NormscopeError) as error:
        stats(path, layout="NCHW")
    assert str(error.value) == (
        f"layout must be used with one array, got {path}, whose files say their own axes. Leave it "
        "out, or give the file of an array."
    )


@pytest.mark.parametrize("cut", [200, 400, 1000, -1])
@pytest.mark.parametrize("name", ["CT_small.dcm", "anatomical.nii", "example4d.nii.gz"])
def test_a_damaged_file_is_skipped(tmp_path, name, cut):
    path = Path(get_testdata_file(name)) if name.endswith(".dcm") else VOLUMES / name
    data = path.read_bytes()
    (tmp_path / name).write_bytes(data[:cut] if cut > 0 else data[: len(data) // 2])
    np.save(tmp_path / "good.npy", np.eye(4, dtype=np.uint8))
    found = stats(tmp_path)
    assert (found.images, len(found.skipped)) == (1, 1)


def test_a_bomb_is_refused_unread():
    volume = nibabel.Nifti1Image(np.zeros((2, 2, 2), np.uint8), np.eye(4))
    data = bytearray(volume.to_bytes())
    data[42:48] = np.array([30_000, 30_000, 30_000], "<i2").tobytes()
    with pytest.raises(UnreadableImage, match="too large"):
        decode(bytes(data))
    with pytest.raises(UnreadableImage, match="not a whole gzip file"):
        decode(gzip.compress(bytes(data))[:-9])


@pytest.mark.parametrize(
    ("module", "name", "what"),
    [
        ("pydicom", "CT_small.dcm", "DICOM images"),
        ("nibabel", "anatomical.nii", "NIfTI volumes"),
    ],
)
def test_a_missing_library_is_named(monkeypatch, module, name, what):
    path = Path(get_testdata_file(name)) if name.endswith(".dcm") else VOLUMES / name
    data = path.read_bytes()
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(NormscopeError) as error:
        decode(data)
    assert str(error.value) == (
        f"{module} must be installed for {what}, got none. Run: pip install 'normscope[medical]'"
    )


def test_heic_is_read_by_its_library(tmp_path, monkeypatch):
    import pillow_heif
    from PIL import Image

    pillow_heif.register_heif_opener()
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.heic", quality=90)
    expected = np.asarray(Image.open(tmp_path / "a.heic")).mean((0, 1)) / 255
    np.testing.assert_allclose(stats(tmp_path).mean.value, expected, rtol=1e-12)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(NormscopeError) as error:
        stats(tmp_path)
    assert str(error.value) == (
        "pillow_heif must be installed for HEIC images, got none. "
        "Run: pip install 'normscope[heic]'"
    )
