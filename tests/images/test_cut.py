"""Files that were cut, of every kind that holds images: refused in one way, or read whole."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from normscope import stats
from normscope.errors import NormscopeError

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 20, 30, 3), np.uint8)


def _png(pixels, kind="PNG"):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def _tar(path, mode):
    with tarfile.open(path, mode) as archive:
        for number, pixels in enumerate(IMAGES):
            info = tarfile.TarInfo(f"{number}.png")
            info.size = len(_png(pixels))
            archive.addfile(info, io.BytesIO(_png(pixels)))


def _zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        for number, pixels in enumerate(IMAGES):
            archive.writestr(f"{number}.png", _png(pixels))


def _idx(path):
    header = b"\0\0\x08\x03" + struct.pack(">3I", 6, 20, 30)
    path.write_bytes(gzip.compress(header + IMAGES[..., 0].tobytes(), mtime=0))


def _tiff(path, **options):
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(path, IMAGES, photometric="rgb", **options)


def _table():
    pa = pytest.importorskip("pyarrow")
    return pa, pa.table({"image": [_png(pixels) for pixels in IMAGES]})


def _parquet(path):
    _, table = _table()
    import pyarrow.parquet

    pyarrow.parquet.write_table(table, path, row_group_size=2)


def _arrow(path, new):
    pa, table = _table()
    with pa.OSFile(str(path), "wb") as file, getattr(pa.ipc, new)(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)


def _hdf5(path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file["images"] = IMAGES


def _netcdf(path):
    from scipy.io import netcdf_file

    with netcdf_file(path, "w") as file:
        for name, size in zip("nyxc", IMAGES.shape, strict=True):
            file.createDimension(name, size)
        file.createVariable("images", "i2", tuple("nyxc"))[:] = IMAGES


def _mat(path):
    from scipy.io import savemat

    savemat(path, {"images": IMAGES})


def _fits(path, packed):
    fits = pytest.importorskip("astropy.io.fits")
    array = IMAGES[..., 0].astype("i2")
    units = [fits.PrimaryHDU(), fits.CompImageHDU(array)] if packed else [fits.PrimaryHDU(array)]
    fits.HDUList(units).writeto(path)


def _nifti(path):
    nibabel = pytest.importorskip("nibabel")
    nibabel.save(nibabel.Nifti1Image(IMAGES[..., 0].astype("i2"), np.eye(4)), path)


def _dicom(path):
    data = pytest.importorskip("pydicom.data")
    path.write_bytes(Path(data.get_testdata_file("CT_small.dcm")).read_bytes())


def _lmdb(path):
    lmdb = pytest.importorskip("lmdb")
    with (
        lmdb.open(str(path), subdir=False, map_size=2**22, lock=False) as database,
        database.begin(write=True) as writing,
    ):
        for number, pixels in enumerate(IMAGES):
            writing.put(b"%d" % number, _png(pixels))


KINDS = {
    "a.tar": lambda path: _tar(path, "w"),
    "a.tgz": lambda path: _tar(path, "w:gz"),
    "a.tar.xz": lambda path: _tar(path, "w:xz"),
    "a.tar.bz2": lambda path: _tar(path, "w:bz2"),
    "a.zip": _zip,
    "a.npy": lambda path: np.save(path, IMAGES),
    "a.npz": lambda path: np.savez(path, images=IMAGES),
    "a-idx3-ubyte.gz": _idx,
    "a.parquet": _parquet,
    "file.arrow": lambda path: _arrow(path, "new_file"),
    "stream.arrow": lambda path: _arrow(path, "new_stream"),
    "a.h5": _hdf5,
    "a.nc": _netcdf,
    "a.mat": _mat,
    "a.fits": lambda path: _fits(path, packed=False),
    "packed.fits": lambda path: _fits(path, packed=True),
    "a.lmdb": _lmdb,
    "a.tif": _tiff,
    "tiles.tif": lambda path: _tiff(path, tile=(16, 16)),
    "packed.tif": lambda path: _tiff(path, compression="zlib", rowsperstrip=8),
    "a.nii": _nifti,
    "a.nii.gz": _nifti,
    "a.dcm": _dicom,
    "a.png": lambda path: path.write_bytes(_png(IMAGES[0])),
    "a.jpg": lambda path: path.write_bytes(_png(IMAGES[0], "JPEG")),
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_a_cut_file_is_a_wrong_call_and_never_a_part_of_it(tmp_path, name):
    path = tmp_path / name
    KINDS[name](path)
    whole, expected = path.read_bytes(), stats(path, workers=1).mean
    refusals = []
    for bytes_ in (0, 1, 4, *(len(whole) * share // 100 for share in (10, 33, 50, 80, 97))):
        path.write_bytes(whole[:bytes_])
        try:
            # Padding alone may be missing.
            assert stats(path, workers=1).mean == expected, bytes_
        except NormscopeError as error:
            refusals.append(error)
    assert len(refusals) >= 6
    for refusal in refusals:
        assert refusal.exit_status == 2, refusal
        assert str(refusal).startswith(f"{path} must ")
        assert str(refusal).endswith(".")
        assert "\n" not in str(refusal)


def test_a_cut_chunk_of_zarr_is_not_read_with_what_lies_behind_it(tmp_path):
    zarr = pytest.importorskip("zarr")
    for version in (2, 3):
        folder = tmp_path / f"{version}.zarr"
        group = zarr.open_group(folder, mode="w", zarr_format=version)
        packer = {2: "numcodecs.Blosc", 3: "zarr.codecs.BloscCodec"}[version]
        module, _, name = packer.rpartition(".")
        options = {"compressors": getattr(pytest.importorskip(module), name)()}
        array = group.create_array(
            "images", shape=IMAGES.shape, dtype="u1", chunks=(1, *IMAGES.shape[1:]), **options
        )
        array[...] = IMAGES
        assert stats(folder).images == 6
        chunk = folder / "images" / ("4.0.0.0" if version == 2 else "c/4/0/0/0")
        chunk.write_bytes(chunk.read_bytes()[:900])
        found = stats(folder)
        assert found.images == 5
        assert [skipped.reason for skipped in found.skipped] == [
            "cannot be read from the file: a chunk of 900 bytes in place of 1,816, so it is cut"
        ]


@pytest.mark.parametrize("name", ["a.npy", "a.fits", "a.nc"])
def test_no_advice_of_a_library_that_nobody_can_follow(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"CDF\1" if name == "a.nc" else b"abcd")
    with pytest.raises(NormscopeError) as error:
        stats(path)
    met = "a header that is damaged, or promises more than there is"
    assert f"got: {met if name == 'a.nc' else 'a file of another kind'}. " in str(error.value)
