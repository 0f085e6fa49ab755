"""What the draw of the test images adds to accuracies, kept apart from what seeds do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ImageNoise:
    """Variances that another draw of as many test images would cause.

    Cells and seeds share their test images, so a draw of hard ones lowers them all and moves few
    differences. The first three are what the draw adds to the mean squares of the two-way layout
    of cells and seeds; were the images drawn anew for every trial, all three would be the mean
    binomial variance.

    Attributes:
        cell: In the mean square of cells.
        seed: In the mean square of seeds.
        residual: In the mean square of the residual.
        shared: Covariance of the cells' mean accuracies that more seeds would not lower, shape
            ``(C, C)``.
    """

    cell: float
    seed: float
    residual: float
    shared: np.ndarray


def independent_images(accuracies: np.ndarray, images: int) -> ImageNoise:
    """The noise where each trial has test images of its own.

    Args:
        accuracies: Shape ``(C, S)``.
        images: Test images of a trial.

    Returns:
        Binomial variances, of which more seeds lower all.
    """
    binomial = float((accuracies * (1 - accuracies)).mean() / max(images - 1, 1))
    cells = len(accuracies)
    return ImageNoise(binomial, binomial, binomial, np.zeros((cells, cells)))


def shared_images(correct: np.ndarray) -> ImageNoise:
    """The noise where all trials have the same test images, from their answers.

    The images are a third factor, crossed with cells and seeds, and the sampling variance of every
    mean over images follows from the variance over images.

    Args:
        correct: bool, shape ``(C, S, N)``: which image each trial got right.

    Returns:
        What another draw of N images would cause.
    """
    cells, seeds, images = correct.shape
    cell_means = correct.mean(axis=1, dtype=np.float32)
    of_cells = _covariance_of_means(cell_means)
    of_seeds = _covariance_of_means(correct.mean(axis=0, dtype=np.float32))
    cell = seeds * _deviations(of_cells)
    seed = cells * _deviations(of_seeds)
    accuracies = correct.mean(axis=2)
    each = (accuracies * (1 - accuracies)).sum() / max(images - 1, 1)
    total = float(each - seeds * of_cells.sum() / cells)
    residual = (total - (cells - 1) * cell - (seeds - 1) * seed) / max((cells - 1) * (seeds - 1), 1)
    # What differs between seeds in one image is lowered by more seeds, and is in their spread.
    within = (cell_means * (1 - cell_means)).mean(axis=1) / (max(seeds - 1, 1) * images)
    # Answers that agree on a few images prove little: a difference has at least one image's noise.
    least = 0.5 / images**2
    shared = of_cells + np.diag(least - within)
    return ImageNoise(cell, seed, max(0.0, residual), shared)


def _covariance_of_means(by_image: np.ndarray) -> np.ndarray:
    """Covariance of the means over images of rows, shape ``(rows, rows)``."""
    images = by_image.shape[1]
    centred = by_image - by_image.mean(axis=1, keepdims=True)
    return (centred @ centred.T).astype(float) / (images * max(images - 1, 1))


def _deviations(covariance: np.ndarray) -> float:
    """Mean square of rows around their common mean that this covariance causes."""
    rows = len(covariance)
    return float((np.trace(covariance) - covariance.sum() / rows) / max(rows - 1, 1))
