"""What is done to pixels before a layer, and will be done by the layer itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from normscope.deploy.affine import Affine
from normscope.normalization import BYTES, NONE, Normalization
from normscope.notebook_html import HtmlTable, notebook_html
from normscope.wording import counted

TARGETS = {"uint8": BYTES, "none": NONE}
"""What raw pixels are called."""


@dataclass(frozen=True)
class Before:
    """What a folded layer has to do to each channel before it does its own work.

    Attributes:
        affine: The map from what the new model takes to what the original does.
        takes: What that is called.
        scale: What is left to the runtime, or 1.
        channels: Channels of the images.
    """

    affine: Affine
    takes: str
    scale: float
    channels: int

    @classmethod
    def of(
        cls,
        normalization: Normalization,
        to: Normalization | str,
        channels: int | None,
        *,
        residual: bool,
    ) -> Before:
        """The map that a fold moves into a layer.

        Args:
            normalization: What the original expects.
            to: What the new model takes, as ``fold`` does.
            channels: Channels of the images; the normalizations' own number if None.
            residual: Whether one scale is left to the runtime.

        Returns:
            The map.
        """
        if isinstance(to, str) and to in TARGETS:
            raw, takes = TARGETS[to], to
        else:
            raw = Normalization.parse(to) if isinstance(to, str) else to
            takes = str(raw)
        count = channels or max(normalization.channels, raw.channels)
        each = normalization.for_channels(count).relative_to(raw)
        scale = 1.0
        if residual:
            scale = 1 / float(np.mean(each.std))
            each = each.relative_to(Normalization(0, 1 / scale))
        return cls(Affine.of(each, count), takes, scale, count)


@dataclass(frozen=True, kw_only=True, repr=False)
class Fold:
    """What was folded, and what is still to be given.

    Attributes:
        normalization: What was folded: the original's, in units of [0, 1].
        takes: What the new model's pixels are: ``uint8`` (0..255), ``none`` ([0, 1]) or the
            normalization still to be applied before it.
        scale: With ``residual``, the one factor that pixels as named by ``takes`` must be
            multiplied by before they enter; 1 otherwise.
        changes: The layers that were replaced: name in the network to plan.
        channels: Channels of the images.
        image_size: Height and width in pixels that the network was traced with.
    """

    normalization: Normalization
    takes: str
    scale: float
    changes: dict[str, dict[str, Any]]
    channels: int
    image_size: tuple[int, int]

    @property
    def in_words(self) -> str:
        """What the new model takes, and what was folded into which layers."""
        layers = ", ".join(
            f"{name or 'the model'} ({plan['kind']})" for name, plan in self.changes.items()
        )
        takes = {"uint8": "pixels of 0..255", "none": "pixels of [0, 1]"}.get(
            self.takes, f"pixels normalized by {self.takes}"
        )
        scaled = "" if self.scale == 1 else f", multiplied by {self.scale:.10g}"
        return f"takes {takes}{scaled}. Folded {self.normalization} into {layers}."

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: the model {self.in_words}>"

    def _repr_html_(self) -> str:
        rows = [[name, plan["kind"]] for name, plan in self.changes.items()]
        height, width = self.image_size
        size = f"Traced with an image of {counted(self.channels, 'channel')}, {height} x {width}."
        return notebook_html(
            f"The model {self.in_words}",
            [size],
            HtmlTable(["layer", "replaced by"], rows, words=True),
        )
