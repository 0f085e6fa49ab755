"""A folder with one sub-folder of images per class, decoded into memory once."""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from normscope.errors import NormscopeError
from normscope.images.decode import SUFFIXES, UnreadableImage, decode_image
from normscope.images.decoded import DecodedSource, LabelledImages, Skipped

if TYPE_CHECKING:
    from pathlib import Path

VALIDATION_FOLDERS = ("val", "validation")


def open_folder(path: Path) -> DecodedSource:
    """Decode ``train/``, and ``val/`` or ``test/`` or both, each with one folder per class.

    With ``train/`` and ``val/`` alone, ``val/`` is the test split. An image that cannot be read
    is skipped and listed.

    Args:
        path: The folder that holds the splits.

    Returns:
        The source; its validation split is None unless the folder has all three.

    Raises:
        NormscopeError: If a split or class is missing or empty, or the images differ in size.
    """
    folders = _split_folders(path)
    classes = _classes(folders["train"])
    for folder in folders.values():
        _check_classes(path, folder, classes)
    skipped: list[Skipped] = []
    decoded = {name: _decode(folder, classes, skipped) for name, folder in folders.items()}
    pixels = _stacked(path, decoded)
    splits = {
        name: LabelledImages(pixels[name], np.asarray([label for _, label, _ in images], np.int64))
        for name, images in decoded.items()
    }
    return DecodedSource(
        name=str(path),
        classes=classes,
        scale=255.0,
        train=splits["train"],
        validation=splits.get("validation"),
        test=splits["test"],
        skipped=tuple(skipped),
    )


def _split_folders(path: Path) -> dict[str, Path]:
    found = {name: path / name for name in ("train", "test") if (path / name).is_dir()}
    for name in VALIDATION_FOLDERS:
        if (path / name).is_dir():
            found["validation"] = path / name
            break
    if "test" not in found and "validation" in found:
        found["test"] = found.pop("validation")
    if "train" not in found or "test" not in found:
        present = ", ".join(sorted(p.name for p in path.iterdir() if p.is_dir())[:5]) or "none"
        raise NormscopeError(
            f"{path} must hold train/ and also val/ or test/, each with one folder per class, "
            f"got the folders: {present}. Sort the images into splits."
        )
    return found


def _classes(folder: Path) -> tuple[str, ...]:
    return tuple(
        sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    )


def _check_classes(path: Path, folder: Path, classes: tuple[str, ...]) -> None:
    here = _classes(folder)
    if not here:
        raise NormscopeError(
            f"{folder} must hold one folder per class, got none. "
            "Put each class's images into a folder of its own."
        )
    if here != classes:
        odd = sorted(set(here) ^ set(classes))
        raise NormscopeError(
            f"every split of {path} must have the same classes, got {len(odd)} that differ between "
            f"train and {folder.name}: {', '.join(odd[:5])}. Give each split every class."
        )


def _image_files(folder: Path) -> list[Path]:
    return sorted(
        p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")
    )


def _decode(
    folder: Path, classes: tuple[str, ...], skipped: list[Skipped]
) -> list[tuple[np.ndarray, int, Path]]:
    files = [
        (file, label)
        for label, name in enumerate(classes)
        for file in _files_of_class(folder / name)
    ]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(_decode_file, [file for file, _ in files], chunksize=64)
        images = []
        for (file, label), result in zip(files, results, strict=True):
            if isinstance(result, str):
                skipped.append(Skipped(file, result))
            else:
                images.append((result, label, file))
    read = {label for _, label, _ in images}
    for label, name in enumerate(classes):
        if label not in read:
            raise NormscopeError(
                f"{folder / name} must hold at least one readable image, "
                "got only unreadable ones. Mend or remove the class."
            )
    return images


def _files_of_class(folder: Path) -> list[Path]:
    files = _image_files(folder)
    if not files:
        raise NormscopeError(
            f"{folder} must hold at least one image ({', '.join(SUFFIXES)}), got none. "
            "Add images or remove the folder."
        )
    return files


def _decode_file(file: Path) -> np.ndarray | str:
    try:
        return decode_image(file.read_bytes())
    except UnreadableImage as error:
        return str(error)
    except OSError as error:
        return error.strerror or str(error)


def _stacked(
    path: Path, decoded: dict[str, list[tuple[np.ndarray, int, Path]]]
) -> dict[str, np.ndarray]:
    """Every split as one array; grey images among colour ones get three equal channels."""
    every = [image for images in decoded.values() for image, _, _ in images]
    sizes = Counter(image.shape[1:] for image in every)
    if len(sizes) > 1:
        met = ", ".join(f"{w} x {h} ({n} images)" for (h, w), n in sizes.most_common(3))
        raise NormscopeError(
            f"the images of {path} must share one size, got {len(sizes)}: {met}. "
            "Resize them to one size."
        )
    channels = max(image.shape[0] for image in every)
    height, width = next(iter(sizes))
    return {
        name: np.stack(
            [np.broadcast_to(image, (channels, height, width)) for image, _, _ in images]
        )
        for name, images in decoded.items()
    }
