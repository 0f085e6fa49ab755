"""The percentiles that windows and clips are chosen by."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from normscope.statistics.known_values import KnownValues

PERCENTILES = ("0.5", "1", "2", "50", "98", "99", "99.5")


class Percentile(NamedTuple):
    """A percentile of each channel, in the pixels' own units.

    Attributes:
        low: What it is at least.
        high: What it is at most; equal to ``low`` where the pixels' values are known.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]

    @property
    def value(self) -> tuple[float, ...]:
        """The percentile, or the middle between its bounds."""
        return tuple(
            low if low == high else (low + high) / 2
            for low, high in zip(self.low, self.high, strict=True)
        )


def percentiles(known: tuple[KnownValues, ...]) -> dict[str, Percentile]:
    """Percentiles as ``numpy.percentile`` defines them, over all pixels that count.

    They are exact for integers of up to 16 bits and for whole numbers in the range of int16; of
    other pixels two bounds within 0.8 % of each other are known (`KnownValues`).

    Args:
        known: The pixels, channel by channel.

    Returns:
        Those of ``PERCENTILES``, by their numbers.
    """
    found = {}
    for percent in PERCENTILES:
        bounds = [channel.percentile(Fraction(percent)) for channel in known]
        low, high = zip(*bounds, strict=True)
        found[percent] = Percentile(low, high)
    return found


def percentiles_to_json(found: dict[str, Percentile], scale: float) -> dict[str, Any]:
    """Percentiles as JSON has them.

    Args:
        found: By their numbers.
        scale: What the pixels' own values are divided by.

    Returns:
        ``percentiles``: one number per channel. ``percentiles_between``: the two numbers that each
        lies between, None where it is known exactly.
    """
    exact = all(p.low == p.high for p in found.values())
    return {
        "percentiles": {name: [v / scale for v in p.value] for name, p in found.items()},
        "percentiles_between": None
        if exact
        else {
            name: [[low / scale, high / scale] for low, high in zip(p.low, p.high, strict=True)]
            for name, p in found.items()
        },
    }
