"""How much of a trial's variation is the normalization's, the seed's, and their interaction's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from normscope.findings.variance import MeanSquares, mean_squares

if TYPE_CHECKING:
    from normscope.findings.image_noise import ImageNoise

DRAWS = 4000
INTERVAL = (2.3, 98.0)
"""Percentiles of the draws, a little outside 2.5 and 97.5: where a component is truly 0 the draws,
which cannot be negative, overrate it. ``benchmarks/findings.py`` has the coverage."""

COMPONENTS = ("normalization", "seed", "interaction", "test_images")


@dataclass(frozen=True)
class Share:
    """One component of the variance of a trial's accuracy.

    Attributes:
        share: Of the whole variance, in [0, 1]; the four shares add up to 1.
        low: Lower end of its 95 % interval.
        high: Upper end.
        std: The component as a standard deviation of accuracy.
    """

    share: float
    low: float
    high: float
    std: float


def variance_shares(accuracies: np.ndarray, noise: ImageNoise) -> dict[str, Share] | None:
    """Divide the variance of accuracies among normalization, seed, interaction and test images.

    The model is two-way, cells fixed and seeds random, with the noise of the test images known from
    their number. Intervals are generalized confidence intervals (Weerahandi, J. Am. Stat. Assoc.
    88, 1993, doi:10.1080/01621459.1993.10476355): mean squares are turned into draws of the
    components by their distributions, which for the fixed cells is a noncentral chi-square. The
    share is the mean of the draws, because a ratio of mean squares with few seeds is biased.

    Args:
        accuracies: Shape ``(C, S)``, the same seeds in every cell.
        noise: What the draw of the test images adds.

    Returns:
        The four shares by name, or None with fewer than two cells or seeds, or no variation.
    """
    squares = mean_squares(accuracies)
    if squares is None or squares.cell + squares.seed + squares.residual <= 0:
        return None
    draws = _component_draws(squares, noise, np.random.default_rng(0))
    total = draws.sum(axis=0)
    shares = draws / np.where(total > 0, total, 1)
    low, high = np.percentile(shares, INTERVAL, axis=1)
    components = _components(squares, noise)
    return {
        name: Share(
            float(shares[k].mean()), float(low[k]), float(high[k]), float(np.sqrt(components[k]))
        )
        for k, name in enumerate(COMPONENTS)
    }


def _components(squares: MeanSquares, noise: ImageNoise) -> list[float]:
    interaction = squares.residual - noise.residual
    cell = (squares.cell - noise.cell - interaction) / squares.seeds
    seed = (squares.seed - noise.seed - interaction) / squares.cells
    return [max(0.0, v) for v in (cell, seed, interaction, noise.residual)]


def _component_draws(
    squares: MeanSquares, noise: ImageNoise, rng: np.random.Generator
) -> np.ndarray:
    """Draws of the four components, shape ``(4, DRAWS)``."""
    cells, seeds = squares.cells, squares.seeds
    of_cells, of_seeds = cells - 1, seeds - 1
    residual = squares.residual * of_cells * of_seeds / rng.chisquare(of_cells * of_seeds, DRAWS)
    interaction = np.maximum(residual - noise.residual, 0)
    seed_square = squares.seed * of_seeds / rng.chisquare(of_seeds, DRAWS)
    seed = np.maximum(seed_square - noise.seed - interaction, 0) / cells
    scale = np.maximum(interaction + noise.cell, np.finfo(float).tiny)
    ratio = np.minimum(squares.cell * of_cells / scale, 1e12)
    centre = noncentrality(ratio, of_cells, rng.standard_normal(DRAWS))
    cell = centre * scale / (seeds * of_cells)
    return np.stack([cell, seed, interaction, np.full(DRAWS, noise.residual)])


def noncentrality(square: np.ndarray, freedom: int, normal: np.ndarray) -> np.ndarray:
    """The noncentrality under which a chi-square lies at a given quantile.

    By the cube-root approximation (Abdel-Aty, Biometrika 41, 1954, doi:10.1093/biomet/41.3-4.538),
    solved by fixed-point iteration, because the exact inverse fails for large ratios.

    Args:
        square: Observed values of noncentral chi-squares.
        freedom: Their degrees of freedom.
        normal: The quantile of each as a standard normal deviate.

    Returns:
        Noncentralities of at least 0, 0 where even the central chi-square lies above.

    Example:
        >>> noncentrality(np.array([30.0]), 10, np.array([0.0])).round(1)
        array([21.1])
    """
    centre = np.maximum(square - freedom, 0.0)
    for _ in range(50):
        mean = freedom + centre
        variance = 2 * (1 + centre / mean) / (9 * mean)
        root = np.maximum(1 - variance + normal * np.sqrt(variance), 1e-3)
        centre = 0.5 * (centre + np.maximum(square / root**3 - freedom, 0.0))
    # Halving never arrives at 0, where an interval must be able to end.
    return np.where(centre > 1e-9, centre, 0.0)
