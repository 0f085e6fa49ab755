"""What the draw of the test images adds to accuracies, kept apart from what seeds do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Shared:
    """Covariance of the rows' means that more seeds would not lower.

    Of thousands of rows a matrix is gigabytes: it is kept once, beside what is added to it.

    Attributes:
        matrix: Shape ``(rows, rows)``.
        added: To its diagonal, shape ``(rows,)``.
    """

    matrix: np.ndarray
    added: np.ndarray

    @property
    def diagonal(self) -> np.ndarray:
        """The variances, shape ``(rows,)``."""
        return np.diag(self.matrix) + self.added

    def of_row(self, row: int) -> np.ndarray:
        """Of one row with each, shape ``(rows,)``."""
        found = self.matrix[row].copy()
        found[row] += self.added[row]
        return found

    def of_rows(self, rows: np.ndarray) -> np.ndarray:
        """Of some rows, by their indices, as a matrix that may be changed."""
        found = self.matrix[np.ix_(rows, rows)]
        found[np.diag_indices(len(rows))] += self.added[rows]
        return found


@dataclass(frozen=True)
class ImageNoise:
    """Variances that another draw of as many test images would cause.

    Rows and seeds share their test images, so a draw of hard ones lowers them all and moves few
    differences. ``of_rows`` and ``of_seeds`` are what the draw adds to the covariance of the means
    over seeds and over rows; were the images drawn anew for every trial, both would be binomial
    and without any covariance.

    Attributes:
        of_rows: Covariance of the rows' means, shape ``(rows, rows)``.
        of_seeds: Covariance of the seeds' means over rows, shape ``(seeds, seeds)``.
        single: Mean variance of one trial's accuracy.
        residual: In the mean square of what neither rows nor seeds explain.
        shared: Covariance of the rows' means that more seeds would not lower.
    """

    of_rows: np.ndarray
    of_seeds: np.ndarray
    single: float
    residual: float
    shared: Shared


def independent_images(accuracies: np.ndarray, images: int) -> ImageNoise:
    """The noise where each trial has test images of its own, or its answers are not known.

    Args:
        accuracies: Shape ``(rows, seeds)``.
        images: Test images of a trial.

    Returns:
        Binomial variances, of which more seeds lower all.
    """
    rows, seeds = accuracies.shape
    binomial = float((accuracies * (1 - accuracies)).mean() / max(images - 1, 1))
    return ImageNoise(
        np.eye(rows) * binomial / seeds,
        np.eye(seeds) * binomial / rows,
        binomial,
        binomial,
        Shared(np.zeros((rows, rows)), np.zeros(rows)),
    )


def shared_images(correct: np.ndarray, learned: np.ndarray | None = None) -> ImageNoise:
    """The noise where all trials have the same test images, from their answers.

    The images are a third factor, crossed with rows and seeds, and the sampling variance of every
    mean over images follows from the variance over images.

    Args:
        correct: bool, shape ``(rows, seeds, N)``: which image each trial got right.
        learned: bool, shape ``(rows, seeds)``: the trials that count; all by default.

    Returns:
        What another draw of N images would cause. Only ``shared`` allows for trials that do not
        count; the others are of whole tables.
    """
    rows, seeds, images = correct.shape
    counted = np.ones((rows, seeds), bool) if learned is None else learned
    trials = np.maximum(counted.sum(axis=1), 1)
    row_means = np.stack(
        [answers[kept].sum(axis=0) for answers, kept in zip(correct, counted, strict=True)]
    ).astype(np.float32) / trials[:, None].astype(np.float32)
    of_rows = _covariance_of_means(row_means)
    of_seeds = _covariance_of_means(correct.mean(axis=0, dtype=np.float32))
    accuracies = correct.mean(axis=2)
    single = float((accuracies * (1 - accuracies)).mean() / max(images - 1, 1))
    total = single * rows * seeds - seeds * of_rows.sum() / rows
    in_rows, in_seeds = seeds * deviations(of_rows), rows * deviations(of_seeds)
    free = max((rows - 1) * (seeds - 1), 1)
    residual = (total - (rows - 1) * in_rows - (seeds - 1) * in_seeds) / free
    # What differs between seeds in one image is lowered by more seeds, and is in their spread.
    within = (row_means * (1 - row_means)).mean(axis=1) / (np.maximum(trials - 1, 1) * images)
    # Answers that agree on a few images prove little: a difference has at least one image's noise.
    least = 0.5 / images**2
    return ImageNoise(
        of_rows, of_seeds, single, max(0.0, float(residual)), Shared(of_rows, least - within)
    )


def deviations(covariance: np.ndarray) -> float:
    """Mean square around their common mean that a covariance of rows causes; 0 for one row."""
    rows = len(covariance)
    return float((np.trace(covariance) - covariance.sum() / rows) / max(rows - 1, 1))


def _covariance_of_means(by_image: np.ndarray) -> np.ndarray:
    """Covariance of the means over images of rows, shape ``(rows, rows)``."""
    images = by_image.shape[1]
    centred = by_image - by_image.mean(axis=1, keepdims=True)
    products = (centred @ centred.T).astype(float)
    products /= images * max(images - 1, 1)
    return products
