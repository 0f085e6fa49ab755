"""NetCDF files that netCDF4 and xarray write, against what they read again."""

from __future__ import annotations

import netCDF4
import numpy as np
import pytest
import xarray

from normscope import stats
from tests.images.damaged import refusal, survives

RANDOM = np.random.default_rng(0)
FORMATS = ["NETCDF4", "NETCDF4_CLASSIC", "NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET"]


def _write(path, kind="NETCDF4", dtype="i2", times=None, **attributes):
    with netCDF4.Dataset(path, "w", format=kind) as file:
        for name, size in (("time", times), ("band", 3), ("lat", 9), ("lon", 8), ("nv", 2)):
            file.createDimension(name, size)
        for name in ("lat", "lon"):
            file.createVariable(name, "f8", (name,))[:] = np.arange(file.dimensions[name].size)
        file.createVariable("time_bnds", "f8", ("time", "nv"))[:] = np.zeros((4, 2))
        file.createVariable("crs", "i4", ())
        fill = attributes.pop("_FillValue", None)
        data = file.createVariable(
            "t", dtype, ("time", "band", "lat", "lon"), fill_value=fill,
            **({"zlib": True} if kind == "NETCDF4" else {}),
        )  # fmt: skip
        data.setncatts(attributes)
        data.set_auto_maskandscale(False)
        values = RANDOM.integers(0, 100, (4, 3, 9, 8))
        values[:2, :, :3] = -99 if np.dtype(dtype).kind != "u" else 99
        data[:] = values
    return path


def _counted(path):
    """The values of each band that netCDF4 itself lets count."""
    with netCDF4.Dataset(path) as file:
        values = np.ma.masked_invalid(file["t"][:])
    return [values[:, band].compressed() for band in range(3)]


@pytest.mark.parametrize(
    ("kind", "times"), [(FORMATS[0], None), (FORMATS[1], 4), (FORMATS[2], None), (FORMATS[3], 4)]
)
@pytest.mark.parametrize(
    ("dtype", "attributes"),
    [
        ("i2", {}),
        ("i2", {"_FillValue": -99}),
        ("f4", {"_FillValue": -99.0}),
        ("i2", {"scale_factor": 0.01, "add_offset": -273.15, "_FillValue": -99}),
        ("i2", {"scale_factor": np.float32(0.01), "missing_value": np.int16(-99)}),
        ("i4", {"valid_range": np.array([0, 90], "i4")}),
        ("i4", {"valid_min": np.int32(0), "_FillValue": 7}),
        ("f8", {"add_offset": 5.0}),
        ("i1", {"_Unsigned": "true", "_FillValue": -99}),
    ],
)
def test_what_counts_is_what_netcdf4_reads(tmp_path, kind, times, dtype, attributes):
    path = _write(tmp_path / "a.nc", kind, dtype, times, **attributes)
    found, bands = stats(path, scale=100), _counted(path)
    assert (found.images, found.counted) == (4, tuple(band.size for band in bands))
    assert found.dtype == bands[0].dtype.name
    bands = [band.astype(float) / 100 for band in bands]
    np.testing.assert_allclose(found.mean.value, [b.mean() for b in bands], rtol=1e-12)
    np.testing.assert_allclose(found.std.value, [b.std() for b in bands], rtol=1e-12)
    assert found.notes[:2] == (
        f"Of {path} t (4 x 3 x 9 x 8, {_dtype_of(path)}) is taken, "
        "the only array that can be images.",
        "Axes time, band, lat, lon: 4 x 3 x 9 x 8 values are read as NCHW; layout changes it.",
    )
    if "scale_factor" in attributes:
        assert "4 images with a scale and offset in the header, which are applied." in found.notes
    if attributes.get("_FillValue") == -99:
        said = "2 images with pixels of the file's fill value, -99: these do not count."
        assert said in found.notes


def _dtype_of(path):
    with netCDF4.Dataset(path) as file:
        stored = file["t"].dtype
    return stored if path.read_bytes()[:1] == b"\x89" else np.dtype(stored).newbyteorder(">")


@pytest.mark.parametrize("engine", ["netcdf4", "scipy"])
def test_what_xarray_writes(tmp_path, engine):
    values = RANDOM.random((5, 9, 8)).astype("f4")
    values[0, 0, 0] = np.nan
    data = xarray.DataArray(values, dims=("y", "x", "channel"), name="pixels")
    path = tmp_path / "a.nc"
    data.to_netcdf(path, engine=engine)
    found = stats(f"{path}::pixels")
    assert (found.images, found.channels) == (1, 8)
    again = xarray.load_dataarray(path).values.astype(float)
    np.testing.assert_allclose(found.mean.value, np.nanmean(again, (0, 1)), rtol=1e-12)
    np.testing.assert_allclose(found.std.value, np.nanstd(again, (0, 1)), rtol=1e-12)


def test_pixels_that_were_never_written_do_not_count(tmp_path):
    for kind in FORMATS:
        with netCDF4.Dataset(tmp_path / "a.nc", "w", format=kind) as file:
            for name in "zyx":
                file.createDimension(name, 4)
            file.createVariable("t", "i2", tuple("zyx"))[1:3] = 5
        found = stats(tmp_path / "a.nc")
        assert (found.counted, found.minimum, found.maximum) == ((32,), (5,), (5,))


def test_groups_and_names(tmp_path):
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as file:
        for name in ("x", "y"):
            file.createDimension(name, 6)
        for number, name in enumerate(("B02", "B03")):
            file.createVariable(f"bands/{name}", "u1", ("y", "x"))[:] = np.full((6, 6), number)
    assert refusal(tmp_path / "a.nc") == (
        f"{tmp_path}/a.nc must be asked for one of its arrays, got 2 that could be images: "
        "bands/B02 (6 x 6, uint8) and bands/B03 (6 x 6, uint8). "
        f"Name one, as in {tmp_path}/a.nc::bands/B02, or a group of them."
    )
    assert stats(f"{tmp_path}/a.nc::bands/B03").mean.value == (1 / 255,)
    assert stats(f"{tmp_path}/a.nc::bands").images == 2


def test_other_formats_are_named(tmp_path):
    path = tmp_path / "a.cdf"
    for met in ("another format", "CDF-5"):
        if met == "CDF-5":
            _write(path, "NETCDF3_64BIT_DATA")
        else:
            path.write_bytes(b"\xcd\xf3\0\1")
        assert refusal(path) == (
            f"{path} must be of NetCDF's classic format or version 4, got {met}. "
            "Convert it, such as by nccopy -k nc4."
        )
    whole = _write(path, "NETCDF3_CLASSIC", times=4).read_bytes()
    path.write_bytes(whole[:-300])
    assert refusal(path).startswith(f"{path} must be a whole NetCDF file, got: ")


@pytest.mark.parametrize("kind", ["NETCDF4", "NETCDF3_CLASSIC"])
def test_damage_leads_to_no_other_exception(tmp_path, kind):
    path = _write(tmp_path / "a.nc", kind)
    assert sum(survives(path, rounds=80 if kind != "NETCDF4" else 30)) in {80, 30}
