"""The images of a check as the network is to see them, and what is particular about them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from normscope.auditing.handed_over import HandedOver
from normscope.auditing.reading import Reader
from normscope.auditing.variants import REFERENCE
from normscope.errors import NormscopeError
from normscope.images.decode import decode_for_networks
from normscope.images.originals import none_readable
from normscope.images.pixels import UnreadableImage
from normscope.wording import counted

if TYPE_CHECKING:
    from torch import Tensor

    from normscope.auditing.applied import AppliedNormalization
    from normscope.auditing.pipeline import Pipeline
    from normscope.auditing.variants import Preparation
    from normscope.images.decoded import Skipped
    from normscope.images.originals import Originals

FURTHEST = 20
"""Standard deviations that no normalized pixel lies further from 0."""


@dataclass(frozen=True)
class Depth:
    """How deep pixels are, and how much of it they use.

    Attributes:
        limit: The largest value that their type holds; 1 for floats.
        top: The largest value that is met.
        low: The smallest.
    """

    limit: float = 255
    top: float = 255
    low: float = 0

    @property
    def deep(self) -> bool:
        """Whether they are of more than 8 bits."""
        return self.limit != 255

    @property
    def full(self) -> float:
        """The value of white: the largest of as many bits as are used."""
        if self.limit == 1 and self.top <= 255:
            return 255.0 if self.top > 1 else 1.0
        used = (
            self.limit
            if self.limit > 1 and 2 * self.top > self.limit
            else 2 ** max(1, math.ceil(self.top).bit_length()) - 1
        )
        return float(used)

    @property
    def no_pixels(self) -> bool:
        """Whether they cannot be what a camera or a scanner counts."""
        return self.low < 0

    @property
    def normalized_already(self) -> bool:
        """Whether they are as close to 0 as normalized pixels."""
        return self.no_pixels and self.limit == 1 and max(-self.low, self.top) <= FURTHEST

    @property
    def in_words(self) -> str:
        """Such as ``16 bits, of which 12 are used (values to 4095)``."""
        if self.limit == 1:
            return f"floats from {self.low:.4g} to {self.top:.4g}"
        if self.no_pixels:
            return f"integers from {self.low:g} to {self.top:g}"
        bits = int(self.limit).bit_length()
        used = int(self.full).bit_length()
        some = f", of which {used} are used (values to {self.top:g})" if used < bits else ""
        return f"{bits} bits{some}"


@dataclass(frozen=True)
class Shown:
    """Images, prepared.

    Attributes:
        pixels: As the network is to see them before they are normalized, uint8, ``(N, C, H, W)``.
        labels: One for each, or ``NO_LABEL``.
        tested: What a pipeline makes of each; empty where none is tested.
        applied: What that does to values, where it can be told.
        grey: How many have one channel in their files.
        turned: How many carry an Exif orientation that turns them.
        depth: Of the files' pixels.
        skipped: Those that cannot be used.
    """

    pixels: np.ndarray
    labels: np.ndarray
    tested: list[Tensor]
    applied: AppliedNormalization | None
    grey: int
    turned: int
    depth: Depth
    skipped: tuple[Skipped, ...]

    @property
    def sentence(self) -> str:
        """What the images are."""
        more = [f"{self.grey} grey"] * bool(self.grey)
        more += [f"{self.turned} with an Exif orientation that turns them"] * bool(self.turned)
        more += [f"{len(self.skipped)} more cannot be read"] * bool(self.skipped)
        height, width = self.pixels.shape[2:]
        size = f"{width} x {height}"
        what = f"{counted(len(self.pixels), 'image')} of {self.depth.in_words}, shown at {size}"
        return f"{'; '.join([what, *more])}."


def chosen(originals: Originals, count: int) -> Originals:
    """Some of the images, spread over all."""
    total = len(originals.images)
    places = np.unique(np.linspace(0, total - 1, min(count, total)).round().astype(int))
    return replace(originals, images=[originals.images[i] for i in places])


def depth_of(originals: Originals) -> Depth:
    """How deep the images are; where the first is of 8 bits, no other is read."""
    limit, top, low = 255.0, 0.0, 0.0
    for image in originals.images:
        try:
            decoded = decode_for_networks(image.read())
        except UnreadableImage:
            continue
        values = decoded.values
        if values.dtype == np.uint8:
            break
        if not np.isfinite(values).all():
            continue  # it will be skipped
        if decoded.valid is not None:
            values = values[np.broadcast_to(decoded.valid, values.shape)]
        if not values.size:
            continue
        integers = values.dtype.kind in "iu"
        limit = float(np.iinfo(values.dtype).max) if integers else 1.0
        top, low = max(top, float(values.max())), min(low, float(values.min()))
    return Depth() if limit == 255 else Depth(limit, top, low)


def shown(
    originals: Originals, preparation: Preparation, depth: Depth, pipeline: Pipeline | None
) -> Shown:
    """Read and prepare images.

    Args:
        originals: Those that are chosen.
        preparation: What is done to each before it is normalized.
        depth: How deep they are.
        pipeline: The one under test.

    Returns:
        The images.

    Raises:
        NormscopeError: If none can be used, or they differ in size.
    """
    skipped: list[Skipped] = []
    handed = HandedOver()
    pixels, labels, tested = [], [], []
    coloured = turned = 0
    for batch in Reader(originals, preparation, frozenset(), pipeline).batches(skipped):
        pixels.append(batch.variants[REFERENCE].pixels)
        labels.append(batch.labels)
        coloured += batch.coloured
        turned += batch.turned
        if batch.tested is not None:
            handed.add(pixels[-1], batch.tested, batch.views)
            tested += batch.tested
    if not pixels:
        raise NormscopeError(none_readable(originals.name, skipped))
    whole = np.concatenate(pixels)
    return Shown(
        whole,
        np.concatenate(labels),
        tested,
        handed.applied() if tested else None,
        len(whole) - coloured,
        turned,
        depth,
        tuple(skipped),
    )
