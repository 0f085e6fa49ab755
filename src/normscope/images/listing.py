"""The encoded images of a folder or archive, split by split and class by class, unread."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from normscope.errors import NormscopeError
from normscope.images.finding import ALL, find_images
from normscope.images.formats import ARCHIVES, passed_over
from normscope.images.held_out import hold_out
from normscope.images.tree import SPLIT_FOLDERS, split_of_path
from normscope.wording import counted

if TYPE_CHECKING:
    from pathlib import Path

    from normscope.images.band_stack import BandStack
    from normscope.images.choosing import Choice
    from normscope.images.encoded import EncodedImage

SPLITS = {"train": "train", "val": "validation", "test": "test"}
"""What a split is called in ``SPLIT_FOLDERS``, and in a decoded source."""

NEEDED = "each with one folder per class"


@dataclass(frozen=True)
class Listing:
    """What a folder or archive holds.

    Attributes:
        classes: Their names, in the order of the labels.
        splits: ``train``, ``validation`` and ``test`` as far as they are there.
        passed: The number of files that are not images, by suffix.
        held_out: Where the test split comes from, in a sentence, if the folder has none.
    """

    classes: tuple[str, ...]
    splits: dict[str, list[EncodedImage | BandStack]]
    passed: Counter[str] = field(default_factory=Counter)
    held_out: str = ""


@dataclass(frozen=True)
class _ClassFolders:
    """One split before its classes are numbered: images by class, and where it lies."""

    place: Path
    classes: dict[str, list[EncodedImage | BandStack]]


def list_images(path: Path, train: bool, choice: Choice = ALL) -> Listing:
    """Find the images of a folder or archive without opening them.

    A folder holds ``train/``, ``val/`` or ``test/`` or archives of these names
    (``train.tar``, ``train.zip``); an archive holds folders of these names. Of a folder with class
    folders alone a fifth of each class is the test split (``held_out.py``).

    Args:
        path: The folder, or a ``.tar`` or ``.zip`` file.
        train: Whether there must be images to train on.
        choice: Which images are taken; bands of one image lie in one class.

    Returns:
        The listing; with ``train/`` and ``val/`` alone, ``val/`` is the test split, and so it is
        alone.

    Raises:
        NormscopeError: If a split or class is missing or empty.
    """
    passed: Counter[str] = Counter()
    splits = _splits_of_folder if path.is_dir() else _splits_of_archive
    found = splits(path, passed, choice)
    held_out = ""
    if not found and path.is_dir():
        found, held_out = _of_class_folders(path, train, passed, choice)
    if "test" not in found and "val" in found:
        found["test"] = found.pop("val")
    if "test" not in found or (train and "train" not in found):
        if passed and not found:
            raise NormscopeError(
                f"{path} must hold image files, {NEEDED}, got fewer than 2 folders with any. "
                f"{passed_over(passed)} Save each image as a file of its own, such as .png, .tif "
                "or .npy."
            )
        needed = "train/ and also val/ or test/" if train else "val/ or test/"
        raise NormscopeError(
            f"{path} must hold {needed}, {NEEDED}, "
            f"got the folders: {_present(path)}. Sort the images into splits, or give a folder "
            "that holds class folders alone: a fifth of each class is then held back for the test."
        )
    if not train:
        found = {"test": found["test"]}
    first = next(iter(found.values()))
    classes = tuple(sorted(first.classes))
    for split in found.values():
        _check_classes(path, split, first, classes)
    return Listing(
        classes,
        {
            SPLITS[name]: [
                replace(image, label=label)
                for label, class_name in enumerate(classes)
                for image in split.classes[class_name]
            ]
            for name, split in found.items()
        },
        passed,
        held_out,
    )


def _of_class_folders(
    path: Path, train: bool, passed: Counter[str], choice: Choice
) -> tuple[dict[str, _ClassFolders], str]:
    """The splits of a folder that holds a folder for each class and no split, and a sentence."""
    classes = {
        name: images
        for name in _folders_in(path)
        if (images := list(find_images(path / name, passed=passed, choice=choice)))
    }
    if len(classes) < 2:
        return {}, ""
    of_both = f"{path} has no val/ or test/: "
    if not train:
        total = counted(sum(map(len, classes.values())), "image")
        return {"test": _ClassFolders(path, classes)}, f"{of_both}all {total} are tested."
    kept, tested = hold_out(path, classes)
    total = counted(sum(map(len, tested.values())), "image")
    return (
        {"train": _ClassFolders(path, kept), "test": _ClassFolders(path, tested)},
        f"{of_both}a fifth of each class, {total} drawn with a fixed seed, is the test split.",
    )


def _folders_in(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def _splits_of_folder(path: Path, passed: Counter[str], choice: Choice) -> dict[str, _ClassFolders]:
    found = {}
    for split in ("train", "test", "val"):
        for name in SPLIT_FOLDERS[split]:
            if (path / name).is_dir():
                found[split] = _of_folder(path / name, passed, choice)
            elif archive := archive_named(path, name):
                found[split] = _of_archive(
                    archive, list(find_images(archive, passed=passed, choice=choice)), split
                )
            if split in found:
                break
    return found


def archive_named(folder: Path, name: str) -> Path | None:
    """The archive of a name in a folder, such as ``train.tar``, or None without one."""
    files = (folder / f"{name}{suffix}" for suffix in ARCHIVES)
    return next((file for file in files if file.is_file()), None)


def _splits_of_archive(
    path: Path, passed: Counter[str], choice: Choice
) -> dict[str, _ClassFolders]:
    by_split: dict[str, list[EncodedImage | BandStack]] = {}
    for image in find_images(path, passed=passed, choice=choice):
        split = split_of_path(image.name)
        if split is not None:
            by_split.setdefault(split, []).append(image)
    order = [split for split in ("train", "test", "val") if split in by_split]
    return {split: _of_archive(path, by_split[split], split) for split in order}


def _of_folder(folder: Path, passed: Counter[str], choice: Choice) -> _ClassFolders:
    classes = {}
    for name in _folders_in(folder):
        classes[name] = list(find_images(folder / name, passed=passed, choice=choice))
        if not classes[name]:
            raise NormscopeError(
                f"{folder / name} must hold at least one image (such as .jpg or .png), got none. "
                f"{'Check --select and --bands' if choice else 'Add images or remove the folder'}."
            )
    return _ClassFolders(folder, classes)


def _of_archive(archive: Path, images: list[EncodedImage | BandStack], split: str) -> _ClassFolders:
    classes: dict[str, list[EncodedImage | BandStack]] = {}
    for image in sorted(images, key=lambda image: image.name):
        classes.setdefault(_class_in_archive(image.name, split), []).append(image)
    classes.pop("", None)
    return _ClassFolders(archive, classes)


def _class_in_archive(name: str, split: str) -> str:
    """The folder below the split's; images that lie in none have no class."""
    folders = [part for part in name.split("/")[:-1] if part != "."]
    for depth, folder in enumerate(folders[:2]):
        if folder in SPLIT_FOLDERS[split]:
            return "".join(folders[depth + 1 : depth + 2])
    return "".join(folders[:1])


def _check_classes(
    path: Path, split: _ClassFolders, first: _ClassFolders, classes: tuple[str, ...]
) -> None:
    if not split.classes:
        raise NormscopeError(
            f"{split.place} must hold one folder per class, got none. "
            "Put each class's images into a folder of its own."
        )
    if set(split.classes) != set(classes):
        odd = sorted(set(split.classes) ^ set(classes))
        raise NormscopeError(
            f"every split of {path} must have the same classes, got {len(odd)} that differ between "
            f"{first.place.name} and {split.place.name}: {', '.join(odd[:5])}. "
            "Give each split every class."
        )


def _present(path: Path) -> str:
    if not path.is_dir():
        return "none of these in the archive"
    return ", ".join(sorted(p.name for p in path.iterdir() if p.is_dir())[:5]) or "none"
