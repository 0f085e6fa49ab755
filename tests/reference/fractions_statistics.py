"""All estimators of a collection the slow and obvious way, one pixel at a time in fractions."""

from __future__ import annotations

import math
from fractions import Fraction


def reference_statistics(images, scale) -> list[dict]:
    """Statistics per channel of images given as lists of counted pixels: images[i][c] = [...]."""
    channels = []
    for c in range(len(images[0])):
        own = [[Fraction(value) / Fraction(scale) for value in image[c]] for image in images]
        own = [values for values in own if values]
        pixels = [value for values in own for value in values]
        mean = sum(pixels, Fraction(0)) / len(pixels)
        variance = sum(((v - mean) ** 2 for v in pixels), Fraction(0)) / len(pixels)
        variances = [_variance(values) for values in own]
        channels.append(
            {
                "n": len(pixels),
                "mean": float(mean),
                "std": math.sqrt(variance),
                "mean_se": _mean_se(own, mean),
                "std_se": _std_se(own, mean, variance),
                "mean_image_std": sum(map(math.sqrt, variances)) / len(own),
                "root_mean_image_variance": math.sqrt(sum(variances) / len(own)),
            }
        )
    return channels


def _variance(values):
    mean = sum(values) / len(values)
    return sum((v - mean) ** 2 for v in values) / len(values)


def _mean_se(own, mean):
    if len(own) < 2:
        return None
    moved = [sum(v - mean for v in values) for values in own]
    return _spread(own, moved)


def _std_se(own, mean, variance):
    if len(own) < 2 or not variance:
        return None
    moved = [sum((v - mean) ** 2 - variance for v in values) for values in own]
    return _spread(own, moved) / (2 * math.sqrt(variance))


def _spread(own, moved):
    images = len(own)
    pixels = Fraction(sum(map(len, own)), images)
    squares = sum((m / pixels) ** 2 for m in moved)
    return math.sqrt(squares / (images - 1) / images)
