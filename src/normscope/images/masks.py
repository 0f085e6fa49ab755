"""Whether half of a collection's images look like masks of the others, told by their names."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from normscope.images.choosing import key_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from normscope.images.encoded import EncodedImage

MOST_KEYS = 3
"""More kinds of names are no images with their masks, and need not be counted."""


@dataclass
class NamesMet:
    """What the names of images have in common, in little memory for any number of them.

    Attributes:
        keys: Counts what follows the first dot of a name, for the first few that are met.
        unpaired: The exclusive or of digests of what stands before it: 0 where each of these
            occurs an even number of times.
    """

    keys: Counter[str] = field(default_factory=Counter)
    unpaired: int = 0

    def clear(self) -> None:
        """Begin anew."""
        self.keys.clear()
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
            yield image

    def note(self, images: int, grey: int) -> str:
        """What is said where half of the images may be masks of the others.

        Args:
            images: How many there are.
            grey: How many of them are grey among colour ones.

        Returns:
            A sentence, or nothing.
        """
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
