"""Images batch by batch: each decoded once, with all cores, and made into all its variants."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from normscope.auditing.variants import REFERENCE
from normscope.errors import NormscopeError
from normscope.images.decoded import Skipped
from normscope.images.pixels import UnreadableImage
from normscope.machine.cores import available_cores, workers

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from torch import Tensor

    from normscope.auditing.variants import Preparation, Prepared
    from normscope.auditing.views import Views
    from normscope.images.encoded import EncodedImage
    from normscope.images.originals import Originals

_T = TypeVar("_T")

BATCH = 64
"""Images evaluated together, as for frozen networks; all variants of them are held at once."""


@dataclass(frozen=True)
class Variant:
    """The images of a batch that one mistake changes.

    Attributes:
        indices: Which images of the batch, shape ``(K,)``.
        pixels: uint8, shape ``(K, C, H, W)``.
    """

    indices: np.ndarray
    pixels: np.ndarray


@dataclass(frozen=True)
class Batch:
    """Some images, prepared.

    Attributes:
        variants: By name; ``"reference"`` holds every image.
        labels: Shape ``(N,)``.
        coloured: How many have more than one channel.
        tested: What the pipeline under test makes of each image, or None.
        views: Other parts of each image, which it may show; none where none is tested.
        turned: How many carry an Exif orientation that turns them.
    """

    variants: dict[str, Variant]
    labels: np.ndarray
    coloured: int
    tested: list[Tensor] | None
    views: list[Views]
    turned: int = 0

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class _Read:
    listed: EncodedImage
    data: bytes
    prepared: Prepared


@dataclass(frozen=True)
class Reader:
    """Prepares a folder's images.

    Attributes:
        originals: What the folder holds.
        preparation: What the correct pipeline does.
        mistakes: Which mistakes of pixels to make.
        pipeline: Makes a tensor of an encoded image and its path; None where none is tested.
    """

    originals: Originals
    preparation: Preparation
    mistakes: frozenset[str]
    pipeline: Callable[[bytes, str], Tensor] | None = None

    def batches(self, skipped: list[Skipped]) -> Generator[Batch, None, None]:
        """Every image, in the order of the folder.

        Args:
            skipped: Images that cannot be used are added to it.

        Yields:
            Batches without empty ones.

        Raises:
            NormscopeError: If an image does not fit the network, or images differ in size.
        """
        images = self.originals.images
        size: tuple[int, ...] | None = None
        # One core for each image: threads that all ask for every core gain nothing.
        with workers(available_cores()) as pool:
            parts = (images[start : start + BATCH] for start in range(0, len(images), BATCH))
            for results in one_ahead(pool.map(self._read, part) for part in parts):
                good = []
                for result in results:
                    if isinstance(result, Skipped):
                        skipped.append(result)
                        continue
                    met = result.prepared.pixels[REFERENCE].shape
                    size = size or met
                    if met != size:
                        raise NormscopeError(_sizes_differ(self.originals.name, size, met))
                    good.append(result)
                if good:
                    yield self._batch(good)

    def _read(self, image: EncodedImage) -> _Read | Skipped:
        try:
            data = image.read()
            prepared = self.preparation.prepare(
                data, image.path, self.mistakes, with_views=self.pipeline is not None
            )
        except UnreadableImage as error:
            return Skipped(Path(image.path), str(error))
        # Many large files would fill the memory.
        return _Read(image, data if self.pipeline else b"", prepared)

    def _batch(self, images: list[_Read]) -> Batch:
        made = [image.prepared.pixels for image in images]
        variants = {}
        for name in dict.fromkeys(name for pixels in made for name in pixels):
            indices = [i for i, pixels in enumerate(made) if name in pixels]
            variants[name] = Variant(
                np.asarray(indices), np.stack([made[i][name] for i in indices])
            )
        tested = None
        if self.pipeline:
            # One after another: a stranger's transform need not bear several threads.
            tested = [self.pipeline(image.data, image.listed.path) for image in images]
        return Batch(
            variants=variants,
            labels=np.asarray([image.listed.label for image in images]),
            coloured=sum(image.prepared.coloured for image in images),
            tested=tested,
            views=[i.prepared.views for i in images if i.prepared.views is not None],
            turned=sum(image.prepared.turned for image in images),
        )


def one_ahead(begun: Iterator[_T]) -> Iterator[_T]:
    """Pieces of work, each begun while the one before it is in use."""
    ahead: deque[_T] = deque(islice(begun, 1))
    while ahead:
        ahead.extend(islice(begun, 1))
        yield ahead.popleft()


def _sizes_differ(name: str, first: tuple[int, ...], other: tuple[int, ...]) -> str:
    return (
        f"the images of {name} must share one size, got {first[2]} x {first[1]} and {other[2]} x "
        f"{other[1]}. Give --resize and --crop as the correct pipeline has them."
    )
