"""Do 95 % intervals cover the truth 95 times in 100? A simulation of whole collections.

Run ``python -m benchmarks.coverage``. Each collection has 1,000 images of several sizes whose
pixels are correlated: an image has its own brightness and contrast, and neighbours share most of
their deviation (an autoregression with coefficient 0.9). The truth is what all images of all
collections together give.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from normscope.statistics.estimators import (
    NORMAL_95,
    mean_image_std,
    pixel_mean,
    pixel_std,
    root_mean_image_variance,
)
from normscope.statistics.image_sums import ImageSums
from normscope.statistics.moments import Moments
from normscope.statistics.per_image import PerImage

SIDES = ((4, 4), (4, 8), (8, 8), (8, 16))
LARGEST = 128
ESTIMATORS = ("pixel mean", "pixel std", "mean image std", "root mean image variance")


def simulate(collections: int, images: int, seed: int) -> dict[str, float]:
    """The share of collections whose interval covers the truth, for each estimator.

    Args:
        collections: How many to simulate.
        images: Images of each.
        seed: Seeds all of it.

    Returns:
        A share for each estimator.
    """
    rng = np.random.default_rng(seed)
    values, errors = [], []
    totals = np.zeros(6)
    for _ in range(collections):
        sums = _collection(rng, images)
        estimates = _estimates(sums)
        values.append([e.value[0] for e in estimates])
        errors.append([e.se[0] for e in estimates])
        variance = sums.variance
        totals += [
            images, sums.n.sum(), sums.s.sum(), sums.q.sum(), np.sqrt(variance).sum(),
            variance.sum(),
        ]  # fmt: skip
    truth = _truth(totals)
    inside = np.abs(np.array(values) - truth) <= NORMAL_95 * np.array(errors)
    return dict(zip(ESTIMATORS, inside.mean(axis=0).tolist(), strict=True))


def _collection(rng: np.random.Generator, images: int) -> ImageSums:
    size = rng.integers(0, len(SIDES), images)
    pixels = np.array([height * width for height, width in SIDES])[size]
    # Large images are darker here, so that weighting by pixels and by images differ.
    brightness = 120 - 10 * size + 35 * rng.standard_normal(images, np.float32)
    contrast = rng.uniform(10, 45, images).astype(np.float32)
    noise = rng.standard_normal((LARGEST, images), np.float32)
    for row in range(1, LARGEST):
        noise[row] = 0.9 * noise[row - 1] + 0.436 * noise[row]
    noise *= contrast
    noise += brightness
    np.clip(np.rint(noise, out=noise), 0, 255, out=noise)
    noise *= np.arange(LARGEST)[:, None] < pixels
    n = pixels.astype(np.int64)
    # Sums of at most 128 squares of bytes are integers that float32 holds.
    s = noise.sum(axis=0).astype(np.int64)
    q = np.einsum("pi,pi->i", noise, noise).astype(np.int64)
    return ImageSums(n[:, None], s[:, None], q[:, None])


def _estimates(sums: ImageSums):
    per_image = PerImage.of(sums)
    only_sums = Moments(
        "uint8",
        (int(sums.n.sum()),),
        (int(sums.s.sum()),),
        (int(sums.q.sum()),),
        (None,),
        (None,),
        np.zeros((1, 256), np.int64),
    )
    return (
        pixel_mean(only_sums, per_image, 255),
        pixel_std(only_sums, per_image, 255),
        mean_image_std(per_image, 255),
        root_mean_image_variance(per_image, 255),
    )


def _truth(totals: np.ndarray) -> np.ndarray:
    # All images of all collections together: its error is a hundredth of one collection's for
    # 10,000 of them, far below what moves a coverage by 0.1 %.
    images, n, s, q, std, variance = totals
    mean = s / n
    values = (mean, np.sqrt(q / n - mean * mean), std / images, np.sqrt(variance / images))
    return np.array(values) / 255


def main() -> None:
    """Print the coverage of each estimator's interval."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--collections", type=int, default=10_000)
    parser.add_argument("--images", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    start = time.perf_counter()
    shares = simulate(arguments.collections, arguments.images, arguments.seed)
    for name, share in shares.items():
        error = (share * (1 - share) / arguments.collections) ** 0.5
        print(f"{name}: {100 * share:.2f} % (standard error {100 * error:.2f} %)")
    print(f"{arguments.collections} collections in {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
