"""Which output is right for each image: from a file, or from the folders that images lie in."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from normscope.errors import NormscopeError
from normscope.images.encoded import NO_LABEL
from normscope.regular_files import read_text

if TYPE_CHECKING:
    from normscope.images.originals import Originals

FEWEST_CLASSES = 2

INDEX = "[0-9]{1,9}"
"""Of an output; longer numbers are names."""


def with_labels(originals: Originals, file: str | Path | None) -> Originals:
    """Give images their labels.

    Args:
        originals: Images, perhaps with labels already.
        file: A CSV file of names and classes, or None to take the folders' names for classes.

    Returns:
        The images with a label, and their classes; as they are where nothing labels them.

    Raises:
        NormscopeError: If the file cannot be read, or labels none of the images.
    """
    if file is not None:
        return _from_file(originals, Path(file))
    return originals if originals.classes is not None else _from_folders(originals)


def _from_folders(originals: Originals) -> Originals:
    root = Path(originals.name)
    folders = []
    for image in originals.images:
        name = PurePosixPath(image.name)
        if image.archive is None:
            name = PurePosixPath(Path(image.name).relative_to(root).as_posix())
        folders.append([part for part in name.parts[:-1] if part != "."][-1:])
    classes = sorted({name for folder in folders for name in folder})
    if not all(folders) or len(classes) < FEWEST_CLASSES:
        return originals
    places = {name: label for label, name in enumerate(classes)}
    images = [
        replace(image, label=places[folder[0]])
        for image, folder in zip(originals.images, folders, strict=True)
    ]
    return replace(originals, images=images, classes=tuple(classes))


def _from_file(originals: Originals, file: Path) -> Originals:
    try:
        text = read_text(file).removeprefix("\ufeff")
        rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or "it is no CSV file of UTF-8"
        raise NormscopeError(
            f"--labels must name a readable CSV file, got {file}: {reason}. Check the path."
        ) from None
    if any(len(row) != 2 for row in rows):
        raise NormscopeError(
            f"--labels must hold two columns, an image's name and its class, got "
            f"{next(len(row) for row in rows if len(row) != 2)} in a line of {file}. "
            "Separate them by a comma."
        )
    given = {name.strip(): label.strip() for name, label in rows}
    # Numbers are indices of the network's outputs, whichever of them are met.
    numbers = all(re.fullmatch(INDEX, label) for label in given.values())
    classes = sorted(set(given.values()))
    places = {name: int(name) if numbers else label for label, name in enumerate(classes)}
    images = []
    for image in originals.images:
        label = given.get(image.name, given.get(PurePosixPath(image.path).name))
        for above in PurePosixPath(image.path).parents:
            label = label or given.get(str(PurePosixPath(image.path).relative_to(above)))
        if label is not None:
            images.append(replace(image, label=places[label]))
    if not images:
        raise NormscopeError(
            f"--labels must name the images of {originals.name}, got none of them in {file}. Write "
            "an image's file name and its class in each line."
        )
    return replace(originals, images=images, classes=None if numbers else tuple(classes))


def labelled(originals: Originals) -> bool:
    """Whether every image has a label."""
    return all(image.label != NO_LABEL for image in originals.images)
