"""How much of the accuracy's variation is the mean's, the std's, the seed's, the images'."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from normscope.findings.image_noise import deviations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from normscope.findings.image_noise import ImageNoise

DRAWS = 4000
INTERVAL = (2.3, 98.0)
"""Percentiles of the draws, a little outside 2.5 and 97.5: where a component is truly 0 the draws,
which cannot be negative, overrate it. ``benchmarks/answers.py`` has the coverage."""

COMPONENTS = ("mean", "std", "both", "seed", "test_images")


@dataclass(frozen=True)
class Share:
    """One component of the variance of a trial's accuracy.

    Attributes:
        share: Of the whole variance, in [0, 1]; the shares of a study add up to 1.
        low: Lower end of its 95 % interval.
        high: Upper end.
        std: The component as a standard deviation of accuracy.
    """

    share: float
    low: float
    high: float
    std: float


@dataclass(frozen=True)
class _Term:
    """One part of the variation between cells, of a quadratic form of the cells' means.

    Attributes:
        square: Of the means, summed over seeds.
        of_images: What the draw of the test images adds to it.
        freedom: The form's trace.
    """

    square: float
    of_images: float
    freedom: float

    @classmethod
    def of(cls, form: np.ndarray, accuracies: np.ndarray, noise: ImageNoise) -> _Term:
        """Its numbers, for which alone the form is needed: shape ``(cells, cells)``."""
        means, seeds = accuracies.mean(axis=1), accuracies.shape[1]
        return cls(
            # Rounding can leave a tiny negative number where there is nothing.
            max(0.0, float(seeds * means @ form @ means)),
            float(seeds * (form * noise.of_rows).sum()),
            float(round(np.trace(form), 6)),
        )


def variance_shares(
    accuracies: np.ndarray, places: Sequence[Sequence[int]], axes: Sequence[str], noise: ImageNoise
) -> dict[str, Share] | None:
    """Divide the variance of accuracies among mean, std, their combination, seed and test images.

    Cells are fixed and seeds random; ``seed`` is all that another seed changes, in all cells alike
    or in one. The mean's part is the variation that the means' own averages explain, the std's
    likewise, and ``both`` what only their combination explains. Where cells are missing from the
    grid the two overlap, and each gets the average of what it explains before and after the other
    (Lindeman, Merenda and Gold, *Introduction to Bivariate and Multivariate Analysis*, 1980).

    Intervals are generalized confidence intervals (Weerahandi, J. Am. Stat. Assoc. 88, 1993,
    doi:10.1080/01621459.1993.10476355): mean squares are turned into draws of the components by
    their distributions, which for the fixed cells are noncentral chi-squares. The share is the
    median of the draws, because a ratio of mean squares with few seeds is biased.

    With one seed its luck cannot be told from the combination of mean and std: ``both`` then holds
    the two together and ``seed`` is left out.

    Args:
        accuracies: Shape ``(cells, seeds)``, the same seeds in every cell.
        places: Where each cell lies along each axis.
        axes: The axes' names, each of a mean or of a std.
        noise: What the draw of the test images adds, of these cells.

    Returns:
        The shares by name, or None with fewer than two cells, or no variation.
    """
    cells, seeds = accuracies.shape
    if cells < 2 or not np.ptp(accuracies) > 0:
        return None
    terms = _terms(np.asarray(places), axes, accuracies, noise)
    if seeds == 1:
        draws, components = _one_seed(accuracies, terms, noise)
    else:
        draws, components = _many_seeds(accuracies, terms, noise)
    total = draws.sum(axis=0)
    shares = draws / np.where(total > 0, total, 1)
    low, high = np.percentile(shares, INTERVAL, axis=1)
    # From one seed the plain sums of squares, as an analysis of variance prints them.
    points = np.array(components) / sum(components) if seeds == 1 else np.median(shares, axis=1)
    return {
        name: Share(
            float(points[k]),
            float(min(low[k], points[k])),
            float(max(high[k], points[k])),
            float(components[k]) ** 0.5,
        )
        for k, name in enumerate(COMPONENTS)
        if seeds > 1 or name != "seed"
    }


def _many_seeds(
    accuracies: np.ndarray, terms: Sequence[_Term], noise: ImageNoise
) -> tuple[np.ndarray, list[float]]:
    """Draws of the five components, and the components themselves."""
    cells, seeds = accuracies.shape
    rng = np.random.default_rng(0)
    centred = accuracies - accuracies.mean(axis=1, keepdims=True)
    seed_means = centred.mean(axis=0)
    of_residual, of_seeds = (cells - 1) * (seeds - 1), seeds - 1
    residual = float(((centred - seed_means) ** 2).sum() / of_residual)
    seed_square = float(cells * (seed_means**2).sum() / of_seeds)
    of_images = cells * deviations(noise.of_seeds)

    def split(residual: np.ndarray, seed_square: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        interaction = np.maximum(residual - noise.residual, 0)
        return interaction, np.maximum(seed_square - of_images - interaction, 0) / cells

    freedom = _freedom(centred - seed_means, of_residual)
    interaction, seed = split(
        residual * freedom / rng.chisquare(freedom, DRAWS),
        seed_square * of_seeds / rng.chisquare(of_seeds, DRAWS),
    )
    normal = rng.standard_normal((len(terms), DRAWS))
    drawn = [
        _drawn(term, accuracies, interaction + term.of_images / max(term.freedom, 1.0), z)
        for term, z in zip(terms, normal, strict=True)
    ]
    points, point_seed = split(np.array([residual]), np.array([seed_square]))
    found = [
        max(0.0, term.square - term.of_images - term.freedom * points[0]) / (seeds * (cells - 1))
        for term in terms
    ]
    images = np.full(DRAWS, noise.residual)
    return (
        np.stack([*drawn, seed + interaction, images]),
        [*found, float(point_seed[0] + points[0]), noise.residual],
    )


def _drawn(
    term: _Term, accuracies: np.ndarray, error: np.ndarray, normal: np.ndarray
) -> np.ndarray:
    """Draws of a term's part, by draws of the mean square that noise alone would give."""
    cells, seeds = accuracies.shape
    if not term.freedom:
        return np.zeros(len(normal))
    scale = np.maximum(error, np.finfo(float).tiny)
    ratio = np.minimum(term.square / scale, 1e12)
    return noncentrality(ratio, term.freedom, normal) * scale / (seeds * (cells - 1))


def _one_seed(
    accuracies: np.ndarray, terms: Sequence[_Term], noise: ImageNoise
) -> tuple[np.ndarray, list[float]]:
    """The same from one seed: what mean and std do not explain one by one is all the noise."""
    cells = len(accuracies)
    rng = np.random.default_rng(0)
    *axes, both = terms
    images = np.full(DRAWS, noise.single)
    freedom = max(both.freedom, 1.0)
    error = both.square / rng.chisquare(freedom, DRAWS)
    drawn = [
        _drawn(term, accuracies, error, z)
        for term, z in zip(axes, rng.standard_normal((len(axes), DRAWS)), strict=True)
    ]
    own = np.maximum(error - images, 0)
    squares = [term.square / (cells - 1) for term in (*axes, both)]
    of_images = min(noise.single, squares[-1])
    return (
        np.stack([*drawn, own, np.zeros(DRAWS), images]),
        [*squares[:-1], squares[-1] - of_images, 0.0, of_images],
    )


def _terms(
    places: np.ndarray, axes: Sequence[str], accuracies: np.ndarray, noise: ImageNoise
) -> list[_Term]:
    """What the quadratic forms of mean, std and both give."""
    cells = len(places)
    groups = [
        np.hstack(
            [
                np.zeros((cells, 0)),
                *(_dummies(places[:, k]) for k, name in enumerate(axes) if name.startswith(kind)),
            ]
        )
        for kind in ("mean", "std")
    ]
    whole = _basis(np.hstack([np.ones((cells, 1)), *groups]))
    mean, std = (_basis(np.hstack([np.ones((cells, 1)), group])) for group in groups)

    def alone(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        form = one @ one.T
        form -= 1 / cells
        form += whole @ whole.T
        form -= other @ other.T
        form *= 0.5
        return form

    def left() -> np.ndarray:
        form = whole @ whole.T
        np.negative(form, out=form)
        form[np.diag_indices(cells)] += 1
        return form

    # One at a time and in place: of thousands of cells each is a large part of the memory.
    forms = (lambda: alone(mean, std), lambda: alone(std, mean), left)
    return [_Term.of(form(), accuracies, noise) for form in forms]


def _dummies(place: np.ndarray) -> np.ndarray:
    return (place[:, None] == np.unique(place)[None, :]).astype(float)


def _basis(design: np.ndarray) -> np.ndarray:
    """Orthonormal columns that span a design's; their products are the projection on them."""
    left, sizes, _ = np.linalg.svd(design, full_matrices=False)
    return left[:, sizes > 1e-9 * sizes.max()]


def noncentrality(square: np.ndarray, freedom: float, normal: np.ndarray) -> np.ndarray:
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


def _freedom(residuals: np.ndarray, freedom: float) -> float:
    """Degrees of freedom that a mean square deserves whose residuals have heavy tails.

    The variance of such a square grows with the kurtosis (Box, Ann. Math. Stat. 25, 1954,
    doi:10.1214/aoms/1177728786), and seeds that end late now and then have a large one.

    Returns:
        At least 1, at most ``freedom``, which they would have were they normal.
    """
    squares = residuals.ravel() ** 2
    kurtosis = float((squares**2).mean() / max(squares.mean() ** 2, 1e-300))
    return max(1.0, min(freedom, 2 * freedom / max(kurtosis - 1, 1e-9)))
