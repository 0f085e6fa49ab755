"""Moments the slow and obvious way: one pixel at a time, in Python fractions."""

from __future__ import annotations

import math
from fractions import Fraction


def reference_moments(pixels, valid=None) -> list[dict]:
    """Sums over an array (N, C, H, W), one dictionary per channel."""
    channels = []
    for c in range(pixels.shape[1]):
        values = [
            Fraction(pixels[n, c, y, x].item())
            for n in range(pixels.shape[0])
            for y in range(pixels.shape[2])
            for x in range(pixels.shape[3])
            if valid is None or valid[n, c, y, x]
        ]
        channels.append(
            {
                "n": len(values),
                "sum": sum(values, Fraction(0)),
                "squares": sum((v * v for v in values), Fraction(0)),
                "minimum": min(values, default=None),
                "maximum": max(values, default=None),
            }
        )
    return channels


def reference_std(channel: dict) -> float:
    n = channel["n"]
    variance = channel["squares"] / n - (channel["sum"] / n) ** 2
    return math.sqrt(variance)
