"""Which of the images that are found are taken, and which of them together are one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from normscope.errors import NormscopeError
from normscope.images.band_stack import BandStack

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from normscope.images.encoded import EncodedImage

WILDCARDS = "*?["


def key_of(path: str) -> str:
    """What WebDataset tells the files of one sample by.

    Args:
        path: Of a file.

    Returns:
        What follows the first dot of its name, in small letters.

    Example:
        >>> key_of("train/0001.seg.PNG")
        'seg.png'
    """
    return path.rpartition("/")[2].partition(".")[2].lower()


@dataclass(frozen=True)
class Choice:
    """What a user chooses of the images.

    Attributes:
        select: Which images are taken: a pattern such as ``*_rgb.png`` or ``images/*`` of their
            names or the ends of their paths; without ``*``, ``?`` and ``[`` what must follow the
            first dot of a name, WebDataset's key: ``png`` takes ``x.png`` and not ``x.seg.png``.
        bands: Names of bands with commas. Files whose paths differ by these names alone, such as
            ``x_B02.tif`` and ``x_B03.tif`` or ``rgb/x.png`` and ``nir/x.png``, are one image.

    Raises:
        NormscopeError: If either names nothing, or a band twice.
    """

    select: str | None = None
    bands: str | None = None

    def __post_init__(self) -> None:
        if self.select is not None and not self.select.strip("."):
            raise NormscopeError(
                f"--select must be a pattern or a key, got {self.select!r}. Write it as '*_rgb.png'"
                " or png."
            )
        names = self.band_names
        if self.bands is not None and (not all(names) or len(set(names)) < len(names)):
            raise NormscopeError(
                f"--bands must name each band once, with commas, got {self.bands!r}. Write it as "
                "B02,B03,B04."
            )

    def __bool__(self) -> bool:
        return self.select is not None or self.bands is not None

    @property
    def band_names(self) -> tuple[str, ...]:
        """The bands in the order of the channels."""
        return () if self.bands is None else tuple(name.strip() for name in self.bands.split(","))

    def keeps(self, path: str) -> bool:
        """Whether an image is taken.

        Args:
            path: Below the folder or in the archive, with ``/`` between its parts.

        Returns:
            The answer.

        Example:
            >>> Choice("png").keeps("a/x.png"), Choice("png").keeps("a/x.seg.png")
            (True, False)
        """
        if self.select is None:
            return True
        name = path.rpartition("/")[2]
        if not any(c in self.select for c in WILDCARDS + "/"):
            return key_of(path) == self.select.strip(".").lower()
        if "/" in self.select:
            return fnmatchcase(path, self.select) or fnmatchcase(path, f"*/{self.select}")
        return fnmatchcase(name, self.select)

    def of(self, images: Iterable[EncodedImage], root: str) -> Iterator[EncodedImage | BandStack]:
        """The images that are taken, bands put together.

        Args:
            images: All that were found.
            root: The folder that paths are seen from.

        Yields:
            Images in their order; stacks in that of their first files.
        """
        kept = (image for image in images if self.keeps(_below(root, image)))
        if self.bands is None:
            yield from kept
            return
        stacks: dict[tuple[str | None, str], dict[str, EncodedImage]] = {}
        for image in kept:
            found = self._band(_below(root, image))
            if found is not None:
                band, rest = found
                stacks.setdefault((image.archive, rest), {}).setdefault(band, image)
        names = self.band_names
        for files in stacks.values():
            found_files = tuple((name, files[name]) for name in names if name in files)
            yield BandStack(names, found_files, select=self.select)

    def _band(self, path: str) -> tuple[str, str] | None:
        """The band that a path names last, and the path without its name."""
        ends = {}
        for name in self.band_names:
            # A whole word: B8 is no part of B8A.
            matches = list(re.finditer(_word(name), path))
            if matches:
                ends[name] = matches[-1].end()
        if not ends:
            return None
        band = max(ends, key=lambda name: (ends[name], len(name)))
        return band, re.sub(_word(band), "{}", path)


def _word(name: str) -> str:
    return rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])"


def _below(root: str, image: EncodedImage) -> str:
    path = image.name.replace("\\", "/")
    return path if image.archive is not None else path.removeprefix(root).lstrip("/")
