"""The named data sets: found under a root, else downloaded through torchvision."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from normscope.errors import NormscopeError, WorkFailed
from normscope.images.decoded import DecodedSource, LabelledImages
from normscope.images.idx import read_idx
from normscope.machine.without_compiler import import_torchvision
from normscope.patience import patient
from normscope.wording import first_line

IDX_FOLDERS = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST"}
CIFAR_FOLDERS = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}
NAMES = (*IDX_FOLDERS, *CIFAR_FOLDERS)

IDX_FILES = {
    "train-images": "train-images-idx3-ubyte",
    "train-labels": "train-labels-idx1-ubyte",
    "test-images": "t10k-images-idx3-ubyte",
    "test-labels": "t10k-labels-idx1-ubyte",
}

MOST_CHARACTERS = 300
"""Of why a download failed."""


def open_named(name: str, root: Path | None) -> DecodedSource:
    """Open a named data set with its own training and test splits.

    Args:
        name: One of ``NAMES``.
        root: Looked under first, then ``$NORMSCOPE_DATA``, then the user's cache, into which it
            is downloaded when it is nowhere.

    Returns:
        The source, without a validation split.

    Raises:
        NormscopeError: If its files are corrupt.
        WorkFailed: If it is nowhere and cannot be downloaded.
    """
    roots = _roots(root)
    for folder in roots:
        if _lies_under(folder, name):
            return _open(name, folder)
    _download(name, roots[-1])
    return _open(name, roots[-1])


def _roots(root: Path | None) -> list[Path]:
    """Where a data set may lie, the user's cache last."""
    from normscope.images.cache import cache_folder

    from_environment = os.environ.get("NORMSCOPE_DATA")
    candidates = [root, Path(from_environment) if from_environment else None]
    return [c for c in candidates if c is not None] + [cache_folder() / "data"]


def _lies_under(folder: Path, name: str) -> bool:
    if name in CIFAR_FOLDERS:
        return (folder / CIFAR_FOLDERS[name]).is_dir()
    return _idx_file(folder, name, "train-images") is not None


def _idx_file(folder: Path, name: str, key: str) -> Path | None:
    stem = folder / IDX_FOLDERS[name] / "raw" / IDX_FILES[key]
    for path in (stem, stem.with_name(stem.name + ".gz")):
        if path.is_file():
            return path
    return None


def _open(name: str, folder: Path) -> DecodedSource:
    if name in CIFAR_FOLDERS:
        return _open_cifar(name, folder)
    arrays = {}
    for key, file_name in IDX_FILES.items():
        path = _idx_file(folder, name, key)
        if path is None:
            raise NormscopeError(
                f"{name} must have its four IDX files under {folder}, got no "
                f"{file_name}. Fetch the missing file."
            )
        arrays[key] = read_idx(path)
    splits = {}
    for split in ("train", "test"):
        images, labels = arrays[f"{split}-images"], arrays[f"{split}-labels"]
        if images.ndim != 3 or labels.shape != images.shape[:1]:
            raise NormscopeError(
                f"{name} must have one label for each {split} image, "
                f"got images of shape {images.shape} and labels of shape {labels.shape}. "
                "Fetch the files again."
            )
        splits[split] = LabelledImages(images[:, None], labels.astype(np.int64))
    classes = tuple(str(c) for c in range(int(splits["train"].labels.max()) + 1))
    return DecodedSource(name, classes, 255.0, splits["train"], None, splits["test"])


def _torchvision_set(name: str):
    import_torchvision()
    from torchvision import datasets

    return {
        "mnist": datasets.MNIST,
        "fashion-mnist": datasets.FashionMNIST,
        "cifar10": datasets.CIFAR10,
        "cifar100": datasets.CIFAR100,
    }[name]


def _download(name: str, folder: Path) -> None:
    try:
        with patient():
            _torchvision_set(name)(folder, train=True, download=True)
    except (OSError, RuntimeError) as error:
        raise WorkFailed(
            f"{name} must lie under --root or $NORMSCOPE_DATA, or be downloadable; it is in "
            f"neither, and the download failed: {_in_one_line(error)}. "
            "Fetch it by hand and pass --root."
        ) from None


def _open_cifar(name: str, folder: Path) -> DecodedSource:
    # torchvision unpickles these files only after their checksums match the published ones.
    splits, classes = [], ()
    for train in (True, False):
        try:
            data = _torchvision_set(name)(folder, train=train)
        except RuntimeError as error:
            raise NormscopeError(
                f"{name} under {folder} must have the published checksums, "
                f"got: {first_line(error)}. Fetch it again."
            ) from None
        pixels = np.ascontiguousarray(data.data.transpose(0, 3, 1, 2))
        splits.append(LabelledImages(pixels, np.asarray(data.targets, np.int64)))
        classes = tuple(data.classes)
    return DecodedSource(name, classes, 255.0, splits[0], None, splits[1])


def _in_one_line(error: Exception) -> str:
    """Why a download failed: torchvision's first line says only that, and each mirror's follow."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (" ".join(lines) or type(error).__name__)[:MOST_CHARACTERS].rstrip(".:")
