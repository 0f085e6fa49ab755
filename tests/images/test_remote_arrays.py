"""Files of arrays elsewhere: the same bits as from the disk, in parts where the format has them."""

from __future__ import annotations

import gzip

import h5py
import numpy as np
import pytest
import zarr
from astropy.io import fits
from scipy.io import netcdf_file, savemat

from normscope import stats
from normscope.errors import WorkFailed
from normscope.images.formats import NPY_MAGIC
from tests.images.damaged import refusal

pytest.importorskip("fsspec", reason="the extra remote is not installed")
pytest.importorskip("aiohttp", reason="the extra remote is not installed")

PIXELS = np.random.default_rng(0).integers(0, 60_000, (16, 3, 24, 20), dtype=np.uint16)
SMALL = (PIXELS[:, 0] // 256).astype(np.uint8)


def _hdf5(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=PIXELS, chunks=(4, 3, 24, 20), compression="gzip")


def _matlab_73(path):
    with h5py.File(path, "w") as file:
        file["x"] = PIXELS


def _netcdf(path):
    with netcdf_file(path, "w") as file:
        for name, size in zip(("time", "y", "x"), (16, 24, 20), strict=True):
            file.createDimension(name, size)
        variable = file.createVariable("t", "i2", ("time", "y", "x"))
        variable[:] = PIXELS[:, 0] // 2
        variable.scale_factor = 0.01


def _fits(path):
    plain, packed = fits.ImageHDU(PIXELS[:, 0]), fits.CompImageHDU(PIXELS[:, 1], name="PACKED")
    fits.HDUList([fits.PrimaryHDU(), plain, packed]).writeto(path)


def _idx(path):
    header = b"\0\0\x08\x03" + np.array(SMALL.shape, ">u4").tobytes()
    data = header + SMALL.tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


SAVE = {
    "a.h5": _hdf5,
    "v4.nc": _hdf5,
    "classic.nc": _netcdf,
    "new.mat": _matlab_73,
    "plain.mat": lambda path: savemat(path, {"x": PIXELS}),
    "packed.mat": lambda path: savemat(path, {"x": PIXELS}, do_compression=True),
    "plain.npz": lambda path: np.savez(path, x=PIXELS),
    "packed.npz": lambda path: np.savez_compressed(path, x=PIXELS),
    "a.fits::1": _fits,
    "a.fits::PACKED": _fits,
    "images-idx3-ubyte.gz": _idx,
    "a.idx": _idx,
    "a.npy": lambda path: np.save(path, PIXELS),
}
ZARRS = {
    "a.zarr": {"chunks": (4, 3, 24, 20), "zarr_format": 3},
    "b.zarr": {"chunks": (4, 3, 24, 20), "zarr_format": 2},
    "shards.zarr": {"chunks": (2, 3, 24, 20), "shards": (4, 3, 24, 20)},
    "folder": {"chunks": (4, 3, 24, 20)},
}


def _zarr(path, options):
    group = zarr.open_group(str(path), mode="w", zarr_format=options.get("zarr_format", 3))
    options = {key: value for key, value in options.items() if key != "zarr_format"}
    group.create_array("images", shape=PIXELS.shape, dtype=PIXELS.dtype, **options)[:] = PIXELS


def same(there, here):
    there, here = there.to_json(), here.to_json()
    for key in ("mean", "std", "mean_se", "percentiles", "images", "counted", "scale"):
        assert there[key] == here[key]


def _scaled(name):
    return {"scale": 1} if name == "classic.nc" else {}


@pytest.mark.filterwarnings("ignore")
def test_s3(bucket, tmp_path):
    for name, save in SAVE.items():
        path = tmp_path / name.partition("::")[0]
        save(path) if not path.exists() else None
        bucket(path.name, path.read_bytes())
        found = stats(f"s3://bkt/{name}", workers=2, **_scaled(name))
        same(found, stats(f"{tmp_path}/{name}", **_scaled(name)))
        assert found.name == f"s3://bkt/{name}"
    for name, options in ZARRS.items():
        _zarr(tmp_path / name, options)
        for file in (tmp_path / name).rglob("*"):
            if file.is_file():
                bucket(str(file.relative_to(tmp_path)), file.read_bytes())
        part = "" if name == "folder" else "::images"
        here = stats(f"{tmp_path}/{name}{part}")
        same(stats(f"s3://bkt/{name}{part}", workers=2), here)
    out = tmp_path / "out"
    again = [stats("s3://bkt/a.zarr", out=out).to_json() for _ in range(2)]
    assert again[0] == again[1]
    assert len(list((out / "shards").iterdir())) > 0


@pytest.mark.parametrize("name", SAVE)
def test_http(server, tmp_path, name):
    path = tmp_path / name.partition("::")[0]
    SAVE[name](path)
    server.files[f"/{path.name}"] = path.read_bytes()
    found = stats(f"{server.url}/{name}", **_scaled(name))
    same(found, stats(f"{tmp_path}/{name}", **_scaled(name)))
    if path.suffix in {".h5", ".fits"}:
        # A dataset of chunks is not fetched whole.
        assert all(asked for command, _, asked in server.asked if command == "GET")


def test_zarr_over_http_uses_the_secrets_of_its_folder(server, tmp_path):
    _zarr(tmp_path / "a.zarr", ZARRS["a.zarr"])
    for file in (tmp_path / "a.zarr").rglob("*"):
        if file.is_file():
            server.files[f"/{file.relative_to(tmp_path)}"] = file.read_bytes()
    server.files |= {
        path.replace("/a.zarr/images/", "/x.zarr/"): data for path, data in server.files.items()
    }
    found = stats(f"{server.url}/x.zarr?key=hidden")
    same(found, stats(PIXELS))
    assert all(path.endswith("?key=hidden") for _, path, _ in server.asked)
    assert "hidden" not in str(found.to_json())


@pytest.mark.parametrize("name", ["a.h5", "a.fits::PACKED", "packed.npz", "x.zarr"])
def test_connections_that_are_killed(server, tmp_path, name):
    path = tmp_path / name.partition("::")[0]
    if name == "x.zarr":
        zarr.create_array(str(path), data=PIXELS, chunks=(4, 3, 24, 20))
    else:
        SAVE[name](path)
    for file in [path, *path.rglob("*")]:
        if file.is_file():
            server.files[f"/{file.relative_to(tmp_path)}"] = file.read_bytes()
    server.kills = 2
    same(stats(f"{server.url}/{name}"), stats(f"{tmp_path}/{name}"))
    server.kills = 10_000
    with pytest.raises(WorkFailed, match=r"must be readable, got: no connection \(\w+\) in each"):
        stats(f"{server.url}/{name}")


def test_what_must_be_held_is_bounded(server, tmp_path, monkeypatch):
    _netcdf(tmp_path / "a.nc")
    server.files["/a.nc"] = (tmp_path / "a.nc").read_bytes()
    size = len(server.files["/a.nc"])
    monkeypatch.setattr("normscope.images.remote.MOST_HELD_BYTES", 1000)
    assert refusal(f"{server.url}/a.nc", scale=1) == (
        f"{server.url}/a.nc must have at most 1000 bytes, as NetCDF's classic format elsewhere is "
        f"held in memory, got {size}. Download it first."
    )


def test_damage_is_said_as_on_disk(server, tmp_path):
    _hdf5(tmp_path / "a.h5")
    server.files["/a.h5"] = (tmp_path / "a.h5").read_bytes()[:3000]
    (tmp_path / "a.h5").write_bytes(server.files["/a.h5"])
    here, there = refusal(tmp_path / "a.h5"), refusal(f"{server.url}/a.h5")
    assert there.startswith(f"{server.url}/a.h5 must be a whole HDF5 file, got: ")
    assert here.startswith(f"{tmp_path}/a.h5 must be a whole HDF5 file, got: ")
    server.files["/b.npz"] = NPY_MAGIC
    assert refusal(f"{server.url}/b.npz") == (
        f"{server.url}/b.npz must be a whole NumPy archive of numbers, got: File is not a zip "
        "file. Check it, or make it again."
    )
