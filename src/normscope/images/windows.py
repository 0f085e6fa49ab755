"""One image in parts, for images that are too large to be held in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from normscope.images.pixels import Pixels


@dataclass(frozen=True)
class Windows:
    """Parts that together are all of one image, each of its pixels once.

    Attributes:
        parts: Reads them one after another, each as one image with all channels; may raise
            ``UnreadableImage`` at any of them.
        whole: Reads it at once, for what needs all of it; raises ``UnreadableImage`` where it is
            too large for that.
    """

    parts: Callable[[], Iterator[Pixels]]
    whole: Callable[[], Pixels]
