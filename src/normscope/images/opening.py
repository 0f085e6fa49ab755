"""From what the user typed to images in memory: a name or a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from normscope.errors import NormscopeError, UnknownName
from normscope.images import named
from normscope.images.encoded import not_readable
from normscope.images.formats import ARCHIVES
from normscope.images.transform import UNCHANGED
from normscope.images.urls import check_local

if TYPE_CHECKING:
    from collections.abc import Callable

    from normscope.images.decoded import DecodedSource
    from normscope.images.transform import ImageTransform

NAMES = ("digits", *named.NAMES)


def open_source(
    source: str,
    root: Path | None = None,
    transform: ImageTransform = UNCHANGED,
    *,
    train: bool = True,
    on_image: Callable[[int, int], None] | None = None,
) -> DecodedSource:
    """Decode a whole source.

    Args:
        source: ``digits``, ``mnist``, ``fashion-mnist``, ``cifar10``, ``cifar100``, or the path
            of a folder, ``.tar`` or ``.zip`` archive with ``train/`` and ``val/`` or ``test/``.
        root: Where the named data sets are looked for first.
        transform: What is done to each image.
        train: Whether there must be images to train on.
        on_image: Called with how many images are decoded and how many there are.

    Returns:
        The source with the splits it comes with.

    Raises:
        UnknownName: If the name is unknown.
        NormscopeError: If its images cannot be used.
        WorkFailed: If a named data set is nowhere and cannot be downloaded.
    """
    # What merely measures files reads none of these; their modules take as long as the files.
    from normscope.images.digits import open_digits
    from normscope.images.folder import open_folder
    from normscope.images.resizing import transformed

    if source == "digits":
        return transformed(open_digits(), transform)
    if source in named.NAMES:
        return transformed(named.open_named(source, root), transform)
    path = Path(source)
    if path.is_dir() or (path.is_file() and path.suffix.lower() in ARCHIVES):
        try:
            return open_folder(path, transform, train=train, on_image=on_image)
        except OSError as error:
            raise NormscopeError(not_readable(path, error)) from None
    if path.exists():
        raise NormscopeError(
            "source must be a name, or a folder, .tar or .zip of images for trials, got the file "
            f"{path}. Sort its images into train/ and test/ with one folder per class."
        )
    check_local(source, "source")
    if len(path.parts) > 1:
        raise NormscopeError(
            f"source must be a name or a folder of images that exists, got {path}: nothing is "
            "there. Check the path."
        )
    raise UnknownName("source", source, NAMES, also="a folder of images")
