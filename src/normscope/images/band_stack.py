"""An image whose channels lie in files of their own, such as the bands of a satellite's scene."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from normscope.images.encoded import NO_LABEL, EncodedImage
from normscope.images.pixels import MAX_BYTES, Pixels, UnreadableImage

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class BandStack:
    """One image of several files, unread.

    Attributes:
        bands: The names of its bands, in the order of the channels.
        found: The files by band, as far as they are there.
        label: Its class's index, or ``NO_LABEL``.
        select: The pattern that alone its files were taken by, or None.
    """

    bands: tuple[str, ...]
    found: tuple[tuple[str, EncodedImage], ...]
    label: int = NO_LABEL
    select: str | None = None

    @property
    def parts(self) -> tuple[EncodedImage, ...]:
        """Its files."""
        return tuple(image for _, image in self.found)

    @property
    def name(self) -> str:
        """Its first file's name."""
        return self.parts[0].name

    @property
    def path(self) -> str:
        """What it is called: its first file."""
        return self.parts[0].path

    @property
    def archive(self) -> None:
        """Its files may lie anywhere."""
        return

    def decoded(self, decode: Callable[[EncodedImage], Pixels]) -> Pixels:
        """Its channels put together.

        Args:
            decode: Decodes one of its files.

        Returns:
            One image; a file of several channels gives as many.

        Raises:
            UnreadableImage: If a band is missing, or bands differ in size or type.
        """
        files = dict(self.found)
        missing = [band for band in self.bands if band not in files]
        if missing:
            taken = "" if self.select is None else f" that --select {self.select} takes"
            raise UnreadableImage(f"no file of band {', '.join(missing)} beside it{taken}")
        parts: list[Pixels] = []
        for band in self.bands:
            part = decode(files[band])
            values = part.values
            if len(values) != 1:
                raise UnreadableImage(f"{len(values)} images in the file of band {band}")
            if values.nbytes * len(self.bands) > MAX_BYTES:
                raise UnreadableImage(
                    f"{values.nbytes} bytes of pixels in each of {len(self.bands)} bands is too "
                    "large"
                )
            parts.append(part)
            first = parts[0].values
            if (values.shape[2:], values.dtype) != (first.shape[2:], first.dtype):
                raise UnreadableImage(
                    f"bands must have one size and type, got {_kind(first)} of {self.bands[0]} "
                    f"and {_kind(values)} of {band}"
                )
        return Pixels(
            np.concatenate([part.values for part in parts], axis=1),
            _valid(parts),
            noticed=tuple(dict.fromkeys(what for part in parts for what in part.noticed)),
            names=self._names(parts),
            most=parts[0].most if len({part.most for part in parts}) == 1 else None,
        )

    def _names(self, parts: list[Pixels]) -> tuple[str, ...]:
        names = []
        for band, part in zip(self.bands, parts, strict=True):
            channels = part.values.shape[1]
            names += [band] if channels == 1 else [f"{band}.{c}" for c in range(channels)]
        return tuple(names)


def _kind(values: np.ndarray) -> str:
    return f"{values.shape[3]} x {values.shape[2]} {values.dtype}"


def _valid(parts: list[Pixels]) -> np.ndarray | None:
    if all(part.valid is None for part in parts):
        return None
    counted = [True if part.valid is None else part.valid for part in parts]
    shapes = [part.values.shape for part in parts]
    return np.concatenate(
        [np.broadcast_to(v, shape) for v, shape in zip(counted, shapes, strict=True)], axis=1
    )
