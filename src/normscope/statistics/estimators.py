"""The competing means and stds of a collection, each with its standard error."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from normscope.errors import NormscopeError
from normscope.normalization import Normalization
from normscope.statistics.exact import Exact, exact_sqrt, exact_variance

if TYPE_CHECKING:
    from normscope.statistics.batches import Settled
    from normscope.statistics.moments import Moments
    from normscope.statistics.per_image import PerImage

NORMAL_95 = 1.96
"""The 97.5 % quantile of the normal distribution, to the digits in use everywhere."""


class Estimate(NamedTuple):
    """A value per channel with its standard error.

    Attributes:
        value: One number per channel.
        se: The standard error of each, the image being the sampling unit; None where fewer than
            two images (or batches) leave it unknown.
    """

    value: tuple[float, ...]
    se: tuple[float | None, ...]


def as_normalization(mean: tuple[float, ...], std: tuple[float, ...]) -> Normalization:
    """A mean and std as they are used.

    Args:
        mean: In units of pixel value scaled to [0, 1].
        std: In the same units.

    Returns:
        The normalization.

    Raises:
        NormscopeError: If a channel is constant, so that nothing can be divided by its std.
    """
    if 0 in std:
        stds = ", ".join(f"{value:.6g}" for value in std)
        raise NormscopeError(
            f"std must be > 0 in every channel, got ({stds}): channel {std.index(0)} is constant. "
            "Drop the channel or give its std yourself."
        )
    return Normalization(mean, std)


def pixel_mean(moments: Moments, images: tuple[PerImage, ...], scale: float) -> Estimate:
    """The mean over all pixels, a ratio of two sums over images.

    With n pixels of sum s in image i and m = sum(s) / sum(n), the delta method gives the variance
    ``N / (N - 1) * sum((s - m n)**2) / sum(n)**2`` (Cochran, Sampling Techniques, 1977, 2.11).

    Args:
        moments: Sums over pixels.
        images: Sums over images, channel by channel.
        scale: What brings pixels to [0, 1].

    Returns:
        The mean.
    """
    errors = (_mean_se(image, Fraction(scale)) for image in images)
    return Estimate(moments.mean(scale), tuple(errors))


def pixel_std(moments: Moments, images: tuple[PerImage, ...], scale: float) -> Estimate:
    """The standard deviation over all pixels around their mean.

    With q the sum of squares in image i, m the mean and v the variance, image i moves v by
    ``(q - 2 m s + (m m - v) n) / mean(n)``; the delta method takes the variance of that, and the
    square root's derivative ``1 / (2 sqrt(v))``.

    Args:
        moments: Sums over pixels.
        images: Sums over images, channel by channel.
        scale: What brings pixels to [0, 1].

    Returns:
        The standard deviation.
    """
    values = moments.std(scale)
    # The squares of the images' own float sums are rounded; those of the pixels are not.
    errors = (
        _std_se(image, Fraction(scale)) if std else None
        for std, image in zip(values, images, strict=True)
    )
    return Estimate(values, tuple(errors))


def pixel_mean_of(images: tuple[PerImage, ...], scale: float) -> Estimate:
    """The pixel mean from sums over images alone, as of a group of images."""
    values = (float(Fraction(i.s) / i.n / Fraction(scale)) for i in images)
    return Estimate(tuple(values), tuple(_mean_se(i, Fraction(scale)) for i in images))


def pixel_std_of(images: tuple[PerImage, ...], scale: float) -> Estimate:
    """The pixel std from sums over images alone, as of a group of images."""
    values = (exact_sqrt(exact_variance(i.n, i.s, i.q)) / float(scale) for i in images)
    return Estimate(tuple(values), tuple(_std_se(i, Fraction(scale)) for i in images))


def mean_of_image_means(images: tuple[PerImage, ...], scale: float) -> Estimate:
    """The mean over images of each image's own mean, in which a small image weighs as a large one.

    It is the pixel mean where all images have as many pixels.

    Args:
        images: Sums over images, channel by channel.
        scale: What brings pixels to [0, 1].

    Returns:
        The mean of means.
    """
    return _estimate(_mean_of_image_means(image, Fraction(scale)) for image in images)


def mean_image_std(images: tuple[PerImage, ...], scale: float) -> Estimate:
    """The mean over images of each image's own standard deviation around its own mean.

    It is not the pixel std: it leaves out how much the images' means differ, and averages roots.

    Args:
        images: Sums over images, channel by channel.
        scale: What brings pixels to [0, 1].

    Returns:
        The mean of standard deviations.
    """
    return _estimate(_mean_image_std(image, Fraction(scale)) for image in images)


def root_mean_image_variance(images: tuple[PerImage, ...], scale: float) -> Estimate:
    """The root of the mean over images of each image's own variance.

    Args:
        images: Sums over images, channel by channel.
        scale: What brings pixels to [0, 1].

    Returns:
        The root mean variance.
    """
    return _estimate(_root_mean_image_variance(image, Fraction(scale)) for image in images)


def batch_average(
    settled: tuple[Settled, ...], scale: float, mean: Estimate, std: Estimate
) -> tuple[Estimate, Estimate]:
    """The average over batches of the batch mean, and the root of that of the batch variance.

    They come from the same images as the pixel mean and std and vary from sample to sample as
    those do, so they share their standard errors.

    Args:
        settled: Sums over batches, channel by channel.
        scale: What brings pixels to [0, 1].
        mean: The pixel mean.
        std: The pixel std.

    Returns:
        The batch mean and the batch std.
    """
    unit = Fraction(scale)
    return (
        Estimate(tuple(float(Fraction(c.mean) / c.batches / unit) for c in settled), mean.se),
        Estimate(
            tuple(exact_sqrt(Fraction(c.variance) / c.batches / unit**2) for c in settled), std.se
        ),
    )


def real_digits(se: float | None) -> int | None:
    """How many decimals a standard error supports.

    Args:
        se: The standard error.

    Returns:
        The largest k with 1.96 standard errors at most half of 10**-k; below 0 where not even the
        units are sure. None where the error is unknown or 0.

    Example:
        >>> real_digits(0.002), real_digits(0.003), real_digits(4.0)
        (2, 1, -2)
    """
    if not se:
        return None
    k = math.floor(-math.log10(2 * NORMAL_95 * se))
    # The logarithm may round across a power of ten.
    for candidate in (k + 1, k):
        if NORMAL_95 * se <= 0.5 * 10.0**-candidate:
            return candidate
    return k - 1


def _estimate(channels) -> Estimate:
    values, errors = zip(*channels, strict=True)
    return Estimate(values, errors)


def _mean_se(i: PerImage, scale: Fraction) -> float | None:
    mean = Fraction(i.s) / i.n
    squares = i.ss - 2 * mean * i.ns + mean * mean * i.nn
    return _root(_ratio_variance(i, squares), scale)


def _std_se(i: PerImage, scale: Fraction) -> float | None:
    mean = Fraction(i.s) / i.n
    variance = exact_variance(i.n, i.s, i.q)
    if not variance:
        return None
    c = mean * mean - variance
    squares = (
        i.qq + 4 * mean * mean * i.ss + c * c * i.nn
        - 4 * mean * i.sq + 2 * c * i.nq - 4 * mean * c * i.ns
    )  # fmt: skip
    of_variance = _ratio_variance(i, squares)
    return None if of_variance is None else _root(of_variance / (4 * variance), scale)


def _mean_of_image_means(i: PerImage, scale: Fraction) -> tuple[float, float | None]:
    spread = _variance_of_mean(i.images, i.mean, i.mean_squared)
    return float(Fraction(i.mean) / i.images / scale), _root(spread, scale)


def _mean_image_std(i: PerImage, scale: Fraction) -> tuple[float, float | None]:
    # An image's squared standard deviation is its variance, to within rounding.
    spread = _variance_of_mean(i.images, i.std, i.variance)
    return float(Fraction(i.std) / i.images / scale), _root(spread, scale)


def _root_mean_image_variance(i: PerImage, scale: Fraction) -> tuple[float, float | None]:
    mean = Fraction(i.variance) / i.images
    root = exact_sqrt(mean / scale**2)
    spread = _variance_of_mean(i.images, i.variance, i.variance_squared)
    if not mean or spread is None:
        return root, None
    return root, _root(spread / (4 * mean), scale)


def _variance_of_mean(count: int, total: Exact, squares: Exact) -> Fraction | None:
    if count < 2:
        return None
    return exact_variance(count, total, squares) / (count - 1)


def _ratio_variance(i: PerImage, squares: Exact) -> Fraction | None:
    if i.images < 2:
        return None
    return max(Fraction(0), Fraction(squares)) * i.images / (i.images - 1) / Fraction(i.n) ** 2


def _root(variance: Fraction | None, scale: Fraction) -> float | None:
    return None if variance is None else exact_sqrt(variance / scale**2)
