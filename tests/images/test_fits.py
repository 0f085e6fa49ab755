"""FITS files that astropy writes, against NumPy over what was written."""

from __future__ import annotations

import gzip
import io
import warnings

import numpy as np
import pytest
from astropy.io import fits

from normscope import stats
from tests.images.damaged import refusal, survives
from tests.images.exactness import exact

RANDOM = np.random.default_rng(0)
CUBE = RANDOM.integers(0, 100, (12, 19, 15))


def _close(found, values, scale=1.0):
    np.testing.assert_allclose(found.mean.value, [values.mean() / scale], rtol=1e-12)
    np.testing.assert_allclose(found.std.value, [values.std() / scale], rtol=1e-12)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8"])
def test_integers_of_either_sign_are_exact(tmp_path, dtype, packed):
    if packed and dtype in {"i1", "i8", "u8"}:
        pytest.skip("FITS compresses no such integers")
    info = np.iinfo(dtype)
    array = (CUBE * (info.max // 200) + info.min // 2).astype(dtype)
    unit = fits.CompImageHDU(array, tile_shape=(1, 19, 15)) if packed else fits.ImageHDU(array)
    fits.HDUList([fits.PrimaryHDU(), unit]).writeto(tmp_path / "a.fits")
    found = stats(f"{tmp_path}/a.fits::1")
    assert (found.images, found.dtype) == (12, np.dtype(dtype).name)
    if np.dtype(dtype).itemsize < 8:
        exact(found, array[:, None], 1)
    else:
        _close(found, array.astype(np.longdouble), found.scale)


@pytest.mark.parametrize("name", ["a.fits.gz", "m31.v1.2.FIT.GZ", "tiles.fits.fz"])
def test_files_that_archives_pack(tmp_path, name):
    array, path = CUBE.astype("u2"), tmp_path / name
    unit = fits.CompImageHDU(array) if name.endswith(".fz") else fits.ImageHDU(array)
    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), unit, fits.ImageHDU(array[0], name="FLAT")]).writeto(file)
    packed = file.getvalue() if name.endswith(".fz") else gzip.compress(file.getvalue(), mtime=0)
    path.write_bytes(packed)
    exact(stats(f"{path}::1"), array[:, None], 1)
    exact(stats(f"{path}::FLAT"), array[:1, None], 1)
    # The last bytes of a file that is not packed are padding.
    for kept in (3, len(packed) // 2, len(packed) - (9 if packed[:2] == b"\x1f\x8b" else 3000)):
        path.write_bytes(packed[:kept])
        assert refusal(f"{path}::1").startswith(f"{path} must be a whole FITS file, got: ")


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_floats_with_nan(tmp_path, dtype):
    array = (CUBE / 100).astype(dtype)
    array[0, :3] = np.nan
    fits.PrimaryHDU(array).writeto(tmp_path / "a.fit")
    found = stats(tmp_path / "a.fit")
    _close(found, array[~np.isnan(array)].astype(float))
    assert found.notes[0] == "12 x 19 x 15 values are read as NHW; layout changes it."


@pytest.mark.parametrize("unsigned", [False, True])
def test_blank_pixels_do_not_count_and_scales_are_applied(tmp_path, unsigned):
    array = CUBE.astype("i2")
    array[2:4, 5] = -7
    unit = fits.PrimaryHDU(array)
    unit.header["BLANK"] = -7
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        unit.writeto(tmp_path / "a.fits")
        added = {"BZERO": 32768} if unsigned else {"BSCALE": 0.25, "BZERO": 10.5}
        with fits.open(tmp_path / "a.fits", "update", do_not_scale_image_data=True) as file:
            file[0].header.update(added)
    values = array[array != -7]
    found = stats(tmp_path / "a.fits", scale=100)
    _close(found, values + 32768.0 if unsigned else values * 0.25 + 10.5, 100)
    assert found.dtype == ("uint16" if unsigned else "float64")
    value = 32761 if unsigned else -7
    assert f"2 images with pixels of the file's fill value, {value}: these do not count." in (
        found.notes
    )
    said = "a scale and offset in the header, which are applied." in " ".join(found.notes)
    assert said is not unsigned


def test_units_by_name_version_and_number(tmp_path):
    path = tmp_path / "a.fts"
    units = [fits.PrimaryHDU()]
    for number, (name, ver) in enumerate((("SCI", 1), ("ERR", 1), ("SCI", 2)), 1):
        units.append(fits.ImageHDU(np.full((6, 5), number, "u1"), name=name, ver=ver))
    units.append(fits.BinTableHDU.from_columns([fits.Column("a", "J", array=np.arange(3))]))
    fits.HDUList(units).writeto(path)
    assert refusal(path) == (
        f"{path} must be asked for one of its arrays, got 3 that could be images: "
        "SCI,1 (6 x 5, uint8), ERR (6 x 5, uint8) and SCI,2 (6 x 5, uint8). "
        f"Name one, as in {path}::SCI,1, or a group of them."
    )
    for part, value in (("SCI,2", 3), ("ERR", 2), ("3", 3)):
        assert stats(f"{path}::{part}", scale=1).mean.value == (value,)
    assert refusal(f"{path}::4") == (
        f"the part of {path} must be one of SCI,1, ERR, SCI,2, got '4'. Choose one of these."
    )


@pytest.mark.parametrize("compression", ["RICE_1", "GZIP_2", "HCOMPRESS_1"])
def test_tiles(tmp_path, compression):
    array = CUBE.astype("i2")
    tile = (1, 19, 15)
    fits.HDUList([
        fits.PrimaryHDU(), fits.CompImageHDU(array, compression_type=compression, tile_shape=tile)
    ]).writeto(tmp_path / "a.fits")  # fmt: skip
    exact(stats(tmp_path / "a.fits"), array[:, None], 1)


def test_what_is_no_image_is_said(tmp_path):
    path = tmp_path / "a.fits"
    fits.PrimaryHDU().writeto(path)
    assert refusal(path) == (
        f"{path} must hold an array of images, of integers or floats with rows and columns, got "
        "none. Save the pixels."
    )
    for data in (b"", b"\x89PNG" * 1000):
        path.write_bytes(data)
        assert refusal(path).startswith(f"{path} must be a whole FITS file, got: ")


def test_a_bomb_is_refused_by_its_header(tmp_path):
    path = tmp_path / "a.fits"
    fits.PrimaryHDU(CUBE.astype("i2")).writeto(path)
    data = path.read_bytes()
    card = b"NAXIS3  =                   12"
    assert card in data
    path.write_bytes(data.replace(card, b"NAXIS3  =           1000000000"))
    assert refusal(path) == (
        f"{path} must be a whole FITS file, got: {len(data):,} of the 570,000,002,880 bytes up to "
        "the end of its unit 0. Check it, or make it again."
    )


@pytest.mark.parametrize("index", [0, 1])
def test_headers_without_an_end_are_not_searched_for_long(tmp_path, index):
    path = tmp_path / "a.fits"
    cards = b"COMMENT".ljust(80) * 36
    start = {0: b"SIMPLE  =                    T".ljust(80), 1: b"XTENSION= 'IMAGE   '".ljust(80)}
    if index:
        fits.PrimaryHDU(CUBE.astype("i2")).writeto(path)
    with path.open("ab") as file:
        file.write(start[index] + cards * 5000)
    assert refusal(path) == (
        f"{path} must be a whole FITS file, got: a header of unit {index} of more than 8,640,000 "
        "bytes. Check it, or make it again."
    )


def test_a_file_cut_in_the_header_of_a_further_unit(tmp_path):
    path = tmp_path / "a.fits"
    first = fits.PrimaryHDU(CUBE.astype("i2"))
    first.writeto(path)
    end = path.stat().st_size
    fits.HDUList([first, fits.ImageHDU(CUBE)]).writeto(path, overwrite=True)
    path.write_bytes(path.read_bytes()[: end + 100])
    assert refusal(path) == (
        f"{path} must be a whole FITS file, got: a unit 1 that is cut in its header. "
        "Check it, or make it again."
    )


@pytest.mark.parametrize("packed", [False, True])
def test_damage_leads_to_no_other_exception(tmp_path, packed):
    array = CUBE[:3, :6, :5].astype("i2")
    unit = fits.CompImageHDU(array) if packed else fits.ImageHDU(array)
    fits.HDUList([fits.PrimaryHDU(), unit]).writeto(tmp_path / "a.fits")
    assert sum(survives(tmp_path / "a.fits", rounds=60, scale=1)) == 60
