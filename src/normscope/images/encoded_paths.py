"""Which paths name encoded images."""

from __future__ import annotations

from pathlib import Path

from normscope.errors import NormscopeError
from normscope.images.collection import check_split_is_whole
from normscope.images.containers.opening import is_container, split_part
from normscope.images.formats import ARCHIVES, PACKED_ARCHIVES, SUFFIXES, is_image
from normscope.images.tree import head_of, split_folder
from normscope.images.urls import is_remote

LISTS = (".csv", ".json", ".jsonl", ".tsv", ".txt")
LISTED = "If it lists images, name them in its place; from Python, pass a list of their paths."


def is_encoded(path: str) -> bool:
    """Whether a path names encoded images: a folder, an archive or an image by its suffix.

    Args:
        path: What the user named.

    Returns:
        The answer, without opening it.
    """
    if is_remote(path) or is_container(split_part(path)[0]):
        return False
    return Path(path).is_dir() or path.lower().endswith((*SUFFIXES, *ARCHIVES, *PACKED_ARCHIVES))


def check_encoded(path: str, split: str | None) -> None:
    """Refuse what is no folder, archive or image.

    Args:
        path: What the user named.
        split: The split that was asked for, which a single image has not.

    Raises:
        NormscopeError: If it is none, or has no such split.
    """
    if Path(path).is_dir():
        split_folder(Path(path), split)
    elif not Path(path).exists():
        raise NormscopeError(
            f"{path} must be a file or folder that exists, got nothing there. Check the path."
        )
    elif not path.lower().endswith((*ARCHIVES, *PACKED_ARCHIVES)):
        if not path.lower().endswith(SUFFIXES) and not is_image(head_of(path)):
            advice = LISTED if path.lower().endswith(LISTS) else "Convert it, such as to TIFF."
            raise NormscopeError(
                f"{path} must be an image, an archive, an array or a table of a known format, got "
                f"a file of another. {advice}"
            )
        check_split_is_whole(path, split)
