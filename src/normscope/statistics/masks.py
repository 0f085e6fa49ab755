"""Masks beside the images: which pixels are the foreground."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from normscope.errors import NormscopeError
from normscope.images.decode import decode
from normscope.images.encoded import EncodedImage, stamp
from normscope.images.formats import ARRAYS, SUFFIXES
from normscope.images.pixels import Pixels, UnreadableImage
from normscope.images.shards import EncodedShard

if TYPE_CHECKING:
    from normscope.images.shards import Shard
    from normscope.statistics.names import Roots


@dataclass(frozen=True)
class Masks:
    """A folder with a mask for each image.

    Attributes:
        folder: Where they lie.
        roots: What images are named relative to.

    Raises:
        NormscopeError: If the folder does not exist.
    """

    folder: str
    roots: Roots

    def __post_init__(self) -> None:
        if not Path(self.folder).is_dir():
            raise NormscopeError(
                f"--mask must be a folder of masks, got '{self.folder}', which is no "
                "folder. Check the path."
            )

    def applied(self, pixels: Pixels, name: str) -> Pixels:
        """The pixels with those outside of the image's mask left out.

        Args:
            pixels: All that the image's file holds.
            name: The image's path.

        Returns:
            The same pixels, of which fewer count.

        Raises:
            UnreadableImage: If the mask is missing, cannot be read or has another size.
        """
        path = self.path_of(name)
        try:
            mask = decode(EncodedImage(path).read()).values
        except UnreadableImage as error:
            raise UnreadableImage(f"its mask {path} cannot be read: {error}") from None
        if _size(mask) != _size(pixels.values):
            raise UnreadableImage(
                f"its mask {path} is of {_size(mask)} pixels, not {_size(pixels.values)}"
            )
        inside = np.asarray(np.nan_to_num(mask).any(axis=1, keepdims=True))
        valid = inside if pixels.valid is None else np.asarray(pixels.valid & inside)
        return replace(pixels, valid=valid)

    def path_of(self, name: str) -> str:
        """The mask of an image: the file of its name, or of its name with another suffix.

        Args:
            name: The image's path.

        Returns:
            The mask's path.

        Raises:
            UnreadableImage: If there is none.
        """
        if not name:
            raise UnreadableImage("no name to find its mask by")
        relative = self.roots.relative(name)
        wanted = Path(self.folder) / relative
        if wanted.is_file():
            return str(wanted)
        stem = relative
        for suffix in sorted((*SUFFIXES, *ARRAYS), key=len, reverse=True):
            if relative.lower().endswith(suffix):
                stem = relative[: -len(suffix)]
                break
        for suffix in (*SUFFIXES, *ARRAYS):
            path = Path(self.folder) / (stem + suffix)
            if path.is_file():
                return str(path)
        raise UnreadableImage(f"no mask {wanted}, nor one with another suffix")

    def identity(self, shard: Shard) -> str | None:
        """What tells that a mask of a shard's images has changed.

        Args:
            shard: Some images.

        Returns:
            The masks' paths, sizes and times of change as text; None where they cannot be told.
        """
        if not isinstance(shard, EncodedShard):
            return None
        stamps = []
        for image in shard.encoded:
            try:
                path = self.path_of(image.path)
                stamps.append((path, stamp(path)))
            except UnreadableImage:
                stamps.append(None)
        return repr(stamps)


def _size(values: np.ndarray) -> str:
    images, _, height, width = values.shape
    return f"{width} x {height}" + f" x {images}" * (images > 1)
