"""One statement about a model's preprocessing, and where it stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from normscope.normalization import Normalization

RGB, BGR = "rgb", "bgr"


@dataclass(frozen=True)
class Claim:
    """What one source says of a model's preprocessing.

    Attributes:
        source: Where it stands, for a reader: a file's name, a library's entry, a graph's nodes.
        normalization: In the ``(pixel - mean) / std`` form for pixels of [0, 1], whatever the
            source's own form; mean 0 and std 1 where nothing is done, and std 1/255 where values
            are left in 0..255. None where the source says nothing of it that can be used.
        order: In which the network takes channels, ``"rgb"`` or ``"bgr"``; None where it does not
            say.
        inside: Whether the model does it itself.
        takes: For ``inside``, what it is to be given: pixels of 0..255 (mean 0, std 1/255) or of
            [0, 1] (mean 0, std 1).
        resize: Length in pixels that the shorter side is brought to.
        crop: Side in pixels of the central square.
        squashed: Whether both sides are brought to ``resize``, whatever the image's proportions.
        interpolation: Of the resizing, such as ``"bicubic"``.
        of_others: Whether it is about weights that the library publishes, where others are used.
    """

    source: str
    normalization: Normalization | None = None
    order: str | None = None
    inside: bool = False
    takes: Normalization | None = None
    resize: int | None = None
    crop: int | None = None
    squashed: bool = False
    interpolation: str | None = None
    of_others: bool = False

    @property
    def outside(self) -> Normalization | None:
        """The normalization that is left to do in front of the model, by this claim."""
        return self.takes if self.inside else self.normalization

    def to_json(self) -> dict[str, Any]:
        """The claim as JSON has it."""
        return {
            "source": self.source,
            "normalization": self.normalization.to_json() if self.normalization else None,
            "order": self.order,
            "inside": self.inside,
            "takes": self.takes.to_json() if self.takes else None,
            "resize": self.resize,
            "crop": self.crop,
            "squashed": self.squashed,
            "interpolation": self.interpolation,
            "of_others": self.of_others,
        }
