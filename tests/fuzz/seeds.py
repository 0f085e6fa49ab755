"""One whole file of every kind that normscope reads, to be damaged: small, and made in a second."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import sqlite3
import struct
import tarfile
import zipfile
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from normscope.init_scale import InitScale
from normscope.normalization import MNIST
from normscope.studies.axis import Axis
from normscope.studies.specification import ScanSpec
from normscope.studies.study import Study
from normscope.trials.recipe import LENET
from normscope.trials.spec import TrialSpec
from tests.studies.made_results import made_result

if TYPE_CHECKING:
    from pathlib import Path

PIXELS = np.random.default_rng(0).integers(0, 256, (9, 8, 3), np.uint8)
TABLE = b"path,site\n0.png,east\n1.png,west\n"


def make_seeds(folder: Path) -> None:
    """Write them: images, arrays, archives, weights, tables, texts and the study of a scan."""
    folder.mkdir(parents=True)
    for name, data in (_images() | _arrays() | _archives() | weights_files()).items():
        (folder / name).write_bytes(data)
    (folder / "sites.csv").write_bytes(TABLE)
    with closing(sqlite3.connect(folder / "others.db")) as database, database:
        database.execute("CREATE TABLE photos (path TEXT, taken REAL)")
        database.execute("INSERT INTO photos VALUES ('a.png', 1.5)")
    _make_study(folder / "study")
    _make_photos(folder / "photos")


def _image(kind: str, pixels: np.ndarray = PIXELS, **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def _images() -> dict[str, bytes]:
    exif = Image.Exif()
    exif[0x0112] = 6
    grey, deep = PIXELS[..., 0], PIXELS[..., 0].astype(np.uint16) * 257
    return {
        "a.png": _image("PNG"), "grey.png": _image("PNG", grey), "deep.png": _image("PNG", deep),
        "a.jpg": _image("JPEG"), "turned.jpg": _image("JPEG", exif=exif),
        "progressive.jpg": _image("JPEG", progressive=True), "a.gif": _image("GIF"),
        "a.bmp": _image("BMP"), "a.webp": _image("WEBP"), "a.tif": _image("TIFF"),
        "packed.tif": _image("TIFF", compression="tiff_lzw"), "a.ppm": _image("PPM"),
        "alpha.png": _image("PNG", np.dstack([PIXELS, grey])),
    }  # fmt: skip


def _arrays() -> dict[str, bytes]:
    npy, npz = io.BytesIO(), io.BytesIO()
    np.save(npy, PIXELS[None])
    np.savez(npz, images=PIXELS[None], labels=np.zeros(1, int))
    idx = b"\0\0\x08\x03" + struct.pack(">3I", 2, 6, 6) + PIXELS.tobytes()[:72]
    return {
        "a.npy": npy.getvalue(), "a.npz": npz.getvalue(), "a.idx": idx,
        "a-idx3-ubyte.gz": gzip.compress(idx, mtime=0),
    }  # fmt: skip


def _archives() -> dict[str, bytes]:
    tar, packed = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        for name in ("0.png", "sub/1.png"):
            info = tarfile.TarInfo(name)
            info.size = len(_image("PNG"))
            archive.addfile(info, io.BytesIO(_image("PNG")))
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.png", _image("PNG"))
        archive.writestr("sub/1.jpg", _image("JPEG"))
    whole = tar.getvalue()
    return {"a.tar": whole, "a.tar.gz": gzip.compress(whole), "a.zip": packed.getvalue()}


def weights_files() -> dict[str, bytes]:
    """A state dict in each format."""
    import torch
    from safetensors.torch import save

    from normscope.models.building import build_model

    weights = build_model("lenet-bn", channels=1, classes=10, image_size=(8, 8)).state_dict()
    files = {"w.safetensors": save(weights)}
    for name, zipped in (("w.pt", True), ("legacy.pt", False)):
        file = io.BytesIO()
        torch.save(weights, file, _use_new_zipfile_serialization=zipped)
        files[name] = file.getvalue()
    return files


def _make_study(folder: Path) -> None:
    recipe = replace(LENET, epochs=1)
    trial = TrialSpec(
        source="digits", fingerprint="", train_images=None, model="lenet", recipe=recipe,
        normalization=MNIST, init_scale=InitScale(), seed=0, device="cpu", threads=1,
        precision="fp32",
    )  # fmt: skip
    axes = {name: Axis.parse(name, text) for name, text in (("mean", "0,0.5"), ("std", "0.5,1"))}
    specification = ScanSpec(trial=trial, data=MNIST, seeds=2, **axes)
    study = Study.create(folder, specification)
    for spec in specification.trials():
        study.add(spec, made_result(spec))
    shutil.copyfile(folder / "study.toml", folder.parent / "study.toml")
    shutil.copyfile(folder / "study.db", folder.parent / "study.db")
    (folder.parent / "summary.json").write_text(json.dumps({"schema": 1, "answer": "yes: it does"}))


def _make_photos(folder: Path) -> None:
    for split in ("train", "val"):
        for label in ("cats", "dogs"):
            place = folder / split / label
            place.mkdir(parents=True)
            for number in range(3):
                (place / f"{number}.png").write_bytes(_image("PNG"))
