"""A model's file that is a zip archive: what it is, and whether it may be opened."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

from normscope.errors import NormscopeError
from normscope.models.files.regular_file import check_regular
from normscope.wording import first_line

if TYPE_CHECKING:
    from pathlib import Path

LARGEST = 2**34
"""Bytes that an archive may hold when unpacked; the largest networks of images have a third."""

MOST_PACKED = 200
"""How many times smaller than their content the members together may be: weights barely shrink."""

MOST_MEMBERS = 200_000

SCRIPT, PROGRAM, KERAS, WEIGHTS = "TorchScript", "torch.export", "Keras", "weights of torch"
"""What an archive can hold."""


def archive_kind(path: Path) -> str | None:
    """What an archive holds, told by the names in it.

    Args:
        path: Any file.

    Returns:
        One of the kinds above, or None if it is no archive or another.
    """
    if not path.is_file() or not zipfile.is_zipfile(path):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return None
    # torch puts all that it writes under one folder of any name.
    inner = {name.partition("/")[2] for name in names}
    if "config.json" in names and any(name.endswith(".weights.h5") for name in names):
        return KERAS
    if "serialized_exported_program.json" in names or any(n.startswith("models/") for n in inner):
        return PROGRAM
    if "constants.pkl" in inner or any(name.startswith("code/") for name in inner):
        return SCRIPT
    return WEIGHTS if "data.pkl" in inner else None


def check_archive(path: Path) -> None:
    """Refuse an archive that is cut, or that unpacks into much more than it is.

    Args:
        path: The file.

    Raises:
        NormscopeError: If it is.
    """
    size = check_regular(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError) as error:
        raise NormscopeError(
            f"{path} must be a whole archive, got: {first_line(error)}. Fetch it again."
        ) from None
    unpacked = sum(member.file_size for member in members)
    if unpacked > min(LARGEST, MOST_PACKED * size) or len(members) > MOST_MEMBERS:
        raise NormscopeError(
            f"{path} must unpack into at most {MOST_PACKED} times its {size:,} bytes and "
            f"{LARGEST:,} in all, got {unpacked:,} in {len(members)} members. Fetch it from "
            "its source again."
        )
