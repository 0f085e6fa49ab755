"""The images of a check as the network is to see them, and what is particular about them."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from normscope.auditing.handed_over import HandedOver
from normscope.auditing.reading import Reader
from normscope.auditing.variants import REFERENCE
from normscope.errors import NormscopeError
from normscope.images.originals import none_readable
from normscope.wording import counted

if TYPE_CHECKING:
    from torch import Tensor

    from normscope.auditing.applied import AppliedNormalization
    from normscope.auditing.pipeline import Pipeline
    from normscope.auditing.variants import Preparation
    from normscope.checking.depth import Depth
    from normscope.images.decoded import Skipped
    from normscope.images.originals import Originals


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
        of_bytes: Whether a pipeline makes bytes of them.
    """

    pixels: np.ndarray
    labels: np.ndarray
    tested: list[Tensor]
    applied: AppliedNormalization | None
    grey: int
    turned: int
    depth: Depth
    skipped: tuple[Skipped, ...]
    of_bytes: bool

    @property
    def sentence(self) -> str:
        """What the images are."""
        more = [f"{self.grey} grey"] * bool(self.grey)
        more += [f"{self.turned} with an Exif orientation that turns them"] * bool(self.turned)
        more += ["values outside [0, 1] count as 0 or 1"] * self.depth.cut
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
    reader = Reader(originals, preparation, frozenset(), pipeline)
    with closing(reader.batches(skipped)) as batches:  # its threads end with it
        for batch in batches:
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
        handed.of_bytes,
    )
