"""What the names of images tell: masks beside the images, files that are bands of scenes."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from normscope.images.choosing import key_of
from normscope.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from normscope.images.encoded import EncodedImage

MOST_KEYS = 3
"""More kinds of names are no images with their masks, and need not be counted."""

BAND = re.compile(
    r"(?<![A-Za-z0-9])(B\d{1,2}A?|band_?\d{1,2}|red|green|blue|nir|swir\d?|vv|vh"
    r"|w\d|ch\d{1,2})(?![A-Za-z0-9])",
    re.IGNORECASE,
)
"""A band as files' names have it: of satellites (Sentinel-1 and 2, Landsat), of microscopes.

Plate readers name the channels of a site w1, w2 (MetaXpress) or ch00, ch01 (Leica).
"""

MOST_BANDS = 20
"""More different words are no bands."""


@dataclass
class NamesMet:
    """What the names of images have in common, in little memory for any number of them.

    Attributes:
        keys: Counts what follows the first dot of a name, for the first few that are met.
        unpaired: The exclusive or of digests of what stands before it: 0 where each of these
            occurs an even number of times.
        bands: Counts the names of bands in the names of files; nothing for a file without one.
    """

    keys: Counter[str] = field(default_factory=Counter)
    unpaired: int = 0
    bands: Counter[str] = field(default_factory=Counter)

    def clear(self) -> None:
        """Begin anew."""
        self.keys.clear()
        self.bands.clear()
        self.unpaired = 0

    def counted(self, images: Iterable[EncodedImage]) -> Iterator[EncodedImage]:
        """The same images, their names taken note of.

        Args:
            images: Any.

        Yields:
            The images.
        """
        for image in images:
            key = key_of(image.name)
            if key in self.keys or len(self.keys) < MOST_KEYS:
                self.keys[key] += 1
            self.unpaired ^= hash(image.name.rpartition("/")[2].partition(".")[0])
            words = BAND.findall(image.name.rpartition("/")[2])
            band = words[-1] if words else ""
            if band in self.bands or len(self.bands) <= MOST_BANDS:
                self.bands[band] += 1
            yield image

    def note(self, images: int, grey: int, channels: int) -> str:
        """What is said where the files may be bands, or half of the images masks of the others.

        Args:
            images: How many there are.
            grey: How many of them are grey among colour ones.
            channels: How many each has.

        Returns:
            A sentence, or nothing.
        """
        counts = set(self.bands.values())
        if channels == 1 and 2 <= len(self.bands) <= MOST_BANDS and "" not in self.bands:
            names = ",".join(sorted(self.bands))
            if len(counts) == 1:
                scenes = counted(counts.pop(), "scene")
                return f"The files look like bands of {scenes}: --bands {names} puts them together."
        if self.unpaired or not self.keys:
            return ""
        if len(self.keys) == 2 and len(set(self.keys.values())) == 1:
            first, other = sorted(self.keys, key=lambda key: (len(key), key))
            return (
                f"Half of the images are named .{other}, half .{first}: if they are masks, pass "
                f"--select {first}."
            )
        if grey and 2 * grey == images:
            return (
                "As many images are grey as in colour: if they are masks, leave them out with "
                "--select, such as --select 'images/*'."
            )
        return ""
