"""What is true of a simulated study, and what follows from it.

Nothing here knows how normscope draws its conclusions, nor imports it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, ndtr, ndtri
from scipy.stats import binom, norm, t

LATE_LOSS = 0.02
"""How much lower a training ends that learned late."""

LAG_SPREAD = 0.4
"""Of the logarithm of how far a training is from settling, between seeds."""

TOO_OFTEN = 0.05
"""A cell that fails more often than this is bad."""

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(121)


@dataclass(frozen=True)
class World:
    """What is true of a study. Rows are the grid's cells, std fastest, then references off it.

    Attributes:
        kinds: What kind of grid, of failures, of slowness and of noise it was drawn as.
        data: The images' own mean and std.
        axes: The grid's means and stds.
        means: Of each row.
        stds: Of each row.
        cells: How many rows are cells of the grid.
        reference: The row of the data's own statistics.
        failing_logit: By row, the log odds of failing for a seed of no effect; may be infinite.
        failing_by_seed: Standard deviation of what a seed adds to all log odds.
        best: By row, the accuracy that a training which learns in time ends at once settled.
        late: By row, the chance that a training which learns does so late.
        lag: By row, how far on average a training is below its final accuracy when its recipe ends.
        noise: By row, standard deviation of final accuracies between seeds.
        heavy: Whether that noise has heavy tails.
        by_seed: Standard deviation of what a seed adds to all rows.
        tilt: Standard deviation of the slopes, over the grid, of what a seed adds.
        unsteady: The chance that a settled curve looks as if it had not.
        seeds: How many were trained to the end.
        survival: How many more only until it was known whether they learn.
        survival_done: The share of these that is done.
        survival_everywhere: Whether references off the grid have them too.
        images: Test images.
        classes: Share of each class.
        shared: How answers of two trainings correlate: by the image, by image and row, and by image
            and seed; on the scale of a normal deviate.
    """

    kinds: dict[str, str]
    data: tuple[float, float]
    axes: tuple[np.ndarray, np.ndarray]
    means: np.ndarray
    stds: np.ndarray
    cells: int
    reference: int
    failing_logit: np.ndarray
    failing_by_seed: float
    best: np.ndarray
    late: np.ndarray
    lag: np.ndarray
    noise: np.ndarray
    heavy: bool
    by_seed: float
    tilt: float
    unsteady: float
    seeds: int
    survival: int
    survival_done: float
    survival_everywhere: bool
    images: int
    classes: np.ndarray
    shared: tuple[float, float, float]

    @property
    def failing(self) -> np.ndarray:
        """The chance that a training with a fresh seed fails, by row."""
        odds = self.failing_logit[:, None] + self.failing_by_seed * NODES
        return expit(odds) @ WEIGHTS / WEIGHTS.sum()

    @property
    def final(self) -> np.ndarray:
        """What trainings that learn end at on average, had they gone on until they settle."""
        return self.best - self.late * LATE_LOSS

    @property
    def reached(self) -> np.ndarray:
        """What they have on average when the recipe ends."""
        return self.final - self.lag

    @property
    def variance_of_seeds(self) -> np.ndarray:
        """Variance between seeds, by row, of the accuracy reached by trainings that learn."""
        return self.by_seed**2 + self.own_variance + self.tilt**2 * (self.places**2).sum(axis=1)

    @property
    def own_variance(self) -> np.ndarray:
        """The part of it that no two rows have in common."""
        lags = self.lag**2 * (np.exp(LAG_SPREAD**2) - 1)
        return self.noise**2 + self.late * (1 - self.late) * LATE_LOSS**2 + lags

    @property
    def places(self) -> np.ndarray:
        """Each row's distance and log contrast in data units, within -1 and 1, ``(rows, 2)``."""
        place = np.stack([self.distances / 10, np.log(self.stds / self.data[1]) / 3], axis=1)
        return np.clip(place, -1, 1)

    @property
    def distances(self) -> np.ndarray:
        """How many of the images' stds each row's mean lies above theirs."""
        return (self.means - self.data[0]) / self.data[1]

    @property
    def usual(self) -> np.ndarray:
        """bool, the rows near the data's own statistics: the grid's, and these themselves."""
        contrast = self.data[1] / self.stds
        near = (np.abs(self.distances) <= 3) & (contrast >= 0.25) & (contrast <= 4)
        near[self.cells :] = False
        near[self.reference] = True
        return near

    @property
    def asked(self) -> np.ndarray:
        """bool, the rows that the answer is about: the grid's and the data's own statistics."""
        asked = np.arange(len(self.means)) < self.cells
        asked[self.reference] = True
        return asked

    def losses(self, settled: bool) -> np.ndarray:
        """How far each row's survivors lie below the reference's.

        Args:
            settled: Of what they would end at, not of what they have when the recipe ends.
        """
        accuracy = self.final if settled else self.reached
        return accuracy[self.reference] - accuracy

    def verdict(self, margin: float, settled: bool) -> str:
        """The true first word."""
        bad = (self.failing > TOO_OFTEN) | (self.losses(settled) > margin)
        if (bad & self.usual).any():
            return "yes"
        return "edges" if (bad & self.asked).any() else "no"

    def trainings(self) -> np.ndarray:
        """How many trainings of each row are known to fail or not, on average."""
        short = np.full(len(self.means), self.survival * self.survival_done)
        if not self.survival_everywhere:
            short[self.cells :] = 0
        return self.seeds + short

    def se_of_losses(self) -> np.ndarray:
        """Standard errors of the losses as estimated by differences of means, by row."""
        alive = np.maximum(self.seeds * (1 - self.failing), 1e-9)
        at = self.reference
        apart = ((self.places - self.places[at]) ** 2).sum(axis=1)
        seeds = self.own_variance / alive + self.own_variance[at] / alive[at]
        seeds += self.tilt**2 * apart / alive + self.by_seed**2 * np.abs(1 / alive - 1 / alive[at])
        s, a = self.seeds, self.reached
        image, row, seed = self.shared
        # Of the mean over seeds: its own variance over images, and that shared with the reference.
        own = a / s + (1 - 1 / s) * both_right(a, a, image + row)
        shared = both_right(a, a[at], image + seed) / s + (1 - 1 / s) * both_right(a, a[at], image)
        noise = (own + own[at] - 2 * shared - (a - a[at]) ** 2) / self.images
        se = np.sqrt(seeds + noise)
        se[at] = 0
        return se

    def tells(self, margin: float) -> bool:
        """Whether the truth lies so far from every threshold that so many trainings show it.

        "Yes" needs one clearly bad row among the usual ones that a test of the rows one by one
        would find in 95 of 100 studies; "No" that all rows are clearly good, and would be found so.
        """
        if self.verdict(margin, settled=True) != self.verdict(margin, settled=False):
            return False
        fails, n, se = self.failing, self.trainings(), self.se_of_losses()
        loss, level = self.losses(settled=False), 0.05 / self.asked.sum()
        alive = np.maximum(np.floor(self.seeds * (1 - fails)), 2)
        sure = np.where(alive > 2, t.ppf(1 - level, alive - 1), 1e9) + norm.ppf(0.95)
        # The fewest failures that a chance of 0.05 would hardly give.
        fewest = binom.isf(level, n.astype(int), TOO_OFTEN) + 1
        shown = np.where(fails >= 0.3, binom.sf(fewest - 1, n.astype(int), fails), 0)
        shown = np.maximum(shown, 0.95 * ((loss >= 2 * margin) & (loss - margin >= sure * se)))
        good = (fails <= 0.005) & (loss <= margin / 4) & (margin - loss >= sure * se) & (n >= 10)
        good[self.reference] = (fails[self.reference] <= 0.005) and n[self.reference] >= 3

        def found(rows: np.ndarray) -> bool:
            return bool(1 - np.prod(1 - shown[rows]) >= 0.95)

        if found(self.usual):
            return True
        if not good[self.usual].all() or n[self.usual].sum() < 60:
            return False
        edges = self.asked & ~self.usual
        return found(edges) or bool(good[edges].all())

    def components(self, taken: np.ndarray) -> dict[str, float]:
        """What the accuracies of trainings that learn vary by, when the recipe ends.

        The squares of cells' effects are divided by one less than there are cells. Where cells are
        missing, mean and std overlap; each has the average of what it explains first and last.

        Args:
            taken: bool, which cells.

        Returns:
            Variances by name; that of test images is what they add to one training alone.
        """
        count = int(taken.sum())
        accuracy = self.reached[: self.cells][taken]
        place = np.indices([len(axis) for axis in self.axes]).reshape(2, -1)[:, taken]
        flags = [(p[:, None] == np.unique(p)).astype(float) for p in place]
        alone = [_explained(accuracy, [f]) for f in flags]
        whole, total = _explained(accuracy, flags), accuracy.var() * count
        parts = (alone[0] + whole - alone[1]) / 2, (alone[1] + whole - alone[0]) / 2, total - whole
        squares = dict(zip(("mean", "std", "both"), parts, strict=True))
        seed = float(self.variance_of_seeds[: self.cells][taken].mean())
        images = self.image_variances(taken)[2]
        components = {name: max(0.0, v) / (count - 1) for name, v in squares.items()}
        return {**components, "seed": seed, "test_images": images}

    def image_variances(self, taken: np.ndarray) -> tuple[float, float, float]:
        """What the draw of test images adds to one training's accuracy, on average over cells.

        Args:
            taken: bool, which cells.

        Returns:
            All of it; less what all trainings have in common; and less also what all of a seed and
            all of a row have.
        """
        accuracy = self.reached[: self.cells][taken]
        image, row, seed = self.shared
        one, images = accuracy, both_right(accuracy, accuracy, image)
        rows, seeds = (both_right(accuracy, accuracy, image + own) for own in (row, seed))
        parts = (one - accuracy**2, one - images, one - rows - seeds + images)
        whole, apart, alone = (float(p.mean() / self.images) for p in parts)
        return whole, apart, alone


def _explained(accuracy: np.ndarray, flags: list[np.ndarray]) -> float:
    design = np.hstack([np.ones((len(accuracy), 1)), *flags])
    fitted = design @ np.linalg.lstsq(design, accuracy, rcond=None)[0]
    return float(((fitted - accuracy.mean()) ** 2).sum())


def both_right(first: np.ndarray, second: np.ndarray, correlation: float) -> np.ndarray:
    """Chances that two trainings are right about one image, by their accuracies.

    Args:
        first: Accuracies.
        second: Accuracies, broadcast against these.
        correlation: Of the two normal deviates that decide; at least 0 and below 1.
    """
    common, rest = np.sqrt(correlation) * NODES, np.sqrt(1 - correlation)
    levels = (ndtri(np.clip(a, 0.001, 0.9999))[..., None] for a in (first, second))
    right = [ndtr((level - common) / rest) for level in levels]
    return (right[0] * right[1]) @ WEIGHTS / WEIGHTS.sum()
