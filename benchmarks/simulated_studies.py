"""Studies that never ran: what is true of them is chosen first, then trainings are drawn from it.

Nothing here knows how normscope draws its conclusions, nor imports it. The worlds hold what real
runs hold and simple simulations leave out: trainings that fail more often under some seeds than
under others, in every cell alike; test images that all trainings share; cells that are noisier the
nearer they lie to where trainings fail; survivors that learn late and end lower; seeds whose effect
tilts over the grid; curves that have not settled; survival trainings that are not all done.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, ndtr, ndtri, owens_t

LATE_LOSS = 0.02
"""How much lower a training ends that learned late."""

LAG_SPREAD = 0.4
"""Of the logarithm of how far a training is from settling, between seeds."""

STILL_LEARNING = 0.002
"""A training whose curve seems to have more than this before it has not settled."""

NEVER = 0.0005
"""Chances of failing below this, and above 1 less this, are taken to be 0 and 1."""

MOST_ANSWERS = 2000
"""With more test images only counts are drawn, each training's from images of its own."""

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(41)


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
        lag: By row, how far below its final accuracy a training is when the recipe ends, on average.
        noise: By row, standard deviation of final accuracies between seeds.
        heavy: Whether that noise has heavy tails.
        by_seed: Standard deviation of what a seed adds to all rows.
        tilt: Standard deviation of the slopes, over the grid, of what a seed adds.
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
        lags = self.lag**2 * (np.exp(LAG_SPREAD**2) - 1)
        late = self.late * (1 - self.late) * LATE_LOSS**2
        tilt = self.tilt**2 * (self.places**2).sum(axis=1)
        return self.by_seed**2 + self.noise**2 + late + lags + tilt

    @property
    def places(self) -> np.ndarray:
        """Each row's distance and log contrast in data units, within -1 and 1, ``(rows, 2)``."""
        place = np.stack([self.distances / 10, np.log(self.stds / self.data[1]) / 3], axis=1)
        return np.clip(place, -1, 1)

    @property
    def distances(self) -> np.ndarray:
        """How many of the images' stds each row's mean lies above theirs."""
        return (self.means - self.data[0]) / self.data[1]


@dataclass(frozen=True)
class SimulatedStudy:
    """What a world's trainings gave.

    Attributes:
        number: Its number; with the simulation's seed it gives the same study again.
        world: What is true.
        accuracies: Of the trainings to the end, shape ``(rows, seeds)``.
        learned: bool, whether each learned.
        settled: bool, whether its curve seems to have settled.
        trainings: By row, how many trainings there are, survival trainings included.
        failures: How many of them failed.
        correct: bool, ``(rows, seeds, images)``; None with many images.
    """

    number: int
    world: World
    accuracies: np.ndarray
    learned: np.ndarray
    settled: np.ndarray
    trainings: np.ndarray
    failures: np.ndarray
    correct: np.ndarray | None


def simulated_study(number: int, seed: int = 0) -> SimulatedStudy:
    """Draw a world, and a study in it.

    Args:
        number: Which study.
        seed: Of the whole simulation.

    Returns:
        The same study for the same two numbers.
    """
    rng = np.random.default_rng([seed, number])
    return drawn_study(number, random_world(rng), rng)


def random_world(rng: np.random.Generator) -> World:
    """Choose what is true.

    Args:
        rng: Chooses.

    Returns:
        The world.
    """
    m, s = float(rng.uniform(0.1, 0.6).round(4)), float(rng.uniform(0.1, 0.4).round(4))
    grid = str(rng.choice(["narrow", "wide", "lopsided"]))
    axes = _axes(rng, grid, m, s)
    rows = [(mean, std) for mean in axes[0] for std in axes[1]]
    rows += [r for r in ((m, s), (0.0, 1.0)) if r not in rows]
    means, stds = np.array(rows).T
    x, y = (means - m) / s, np.log(stds / s)
    deaths, logit, by_seed = _failing(rng, x, y)
    failing = expit(logit)
    base = float(rng.choice([rng.uniform(0.7, 0.95), rng.uniform(0.95, 0.995)]))
    noises = min(1.0, (1 - base) / 0.01)
    slow, lag = _lag(rng, x, y)
    late_kind = str(
        rng.choice(["in time", "late near failing", "late anywhere"], p=[0.7, 0.2, 0.1])
    )
    late = {
        "in time": np.zeros(len(x)),
        "late near failing": 0.4 * np.sqrt(failing * (1 - failing)),
        "late anywhere": np.full(len(x), rng.uniform(0.02, 0.1)),
    }[late_kind]
    uneven = bool(rng.random() < 0.6)
    noise = noises * rng.choice([0, 0.0003, 0.0005, 0.001, 0.002]) * np.ones(len(x))
    if uneven:
        noise = noise * np.exp(0.7 * rng.standard_normal(len(x)))
        noise *= 1 + 6 * np.sqrt(failing * (1 - failing))
    heavy = bool(rng.random() < 0.2)
    effects = _effects(rng, x, y) - failing * rng.choice([0, 0, 0.01, 0.1, 0.3])
    count = int(rng.integers(2, 11))
    image = rng.uniform(0.6, 0.85)
    return World(
        kinds={
            "grid": grid,
            "failing": deaths,
            "slow": slow,
            "late": late_kind,
            "noise": ("uneven" if uneven else "even") + (", heavy" if heavy else ""),
        },
        data=(m, s),
        axes=axes,
        means=means,
        stds=stds,
        cells=len(axes[0]) * len(axes[1]),
        reference=rows.index((m, s)),
        failing_logit=logit,
        failing_by_seed=by_seed,
        best=np.maximum(base + effects, 0.55),
        late=late,
        lag=lag,
        noise=np.minimum(noise, 0.02),
        heavy=heavy,
        by_seed=float(noises * rng.choice([0, 0.0005, 0.001, 0.003])),
        tilt=float(noises * rng.choice([0, 0, 0, 0.001])),
        seeds=int(rng.integers(3, 11)),
        survival=int(rng.choice([0, 0, 5, 10, 20])),
        survival_done=float(rng.choice([1, 1, 1, 0.8])),
        survival_everywhere=bool(rng.random() < 0.5),
        images=int(rng.choice([300, 1000, 2000, 10_000, 10_000, 50_000, 50_000])),
        classes=rng.dirichlet(np.full(count, 50.0)) if rng.random() < 0.7 else np.full(count, 1 / count),
        shared=(float(image), *(float(v) for v in rng.uniform(0, (0.95 - image) / 2, 2))),
    )  # fmt: skip


def _axes(rng: np.random.Generator, kind: str, m: float, s: float) -> tuple[np.ndarray, np.ndarray]:
    counts = rng.integers(3, 10, 2)
    if kind == "narrow":
        half, factor = s * rng.uniform(0.5, 2.8), rng.uniform(1.3, 3.8)
        ends = (m - half, m + half), (s / factor, s * factor)
    elif kind == "wide":
        ends = (-2 * rng.uniform(0.5, 1.2), 3 * rng.uniform(0.5, 1.2)), (0.02, 2.0)
    else:
        side = rng.choice([-1, 1])
        far, factor = m + side * s * rng.uniform(2, 12), rng.uniform(4, 20) ** rng.choice([-1, 1])
        ends = sorted((m - side * s * rng.uniform(0, 1), far)), sorted((s, s * factor))
    mean, std = (
        np.linspace(*ends[0], counts[0]).round(4),
        np.geomspace(*ends[1], counts[1]).round(4),
    )
    if rng.random() < 0.3:
        # Some people put their own statistics on the grid.
        mean[np.abs(mean - m).argmin()] = m
        std[np.abs(np.log(std / s)).argmin()] = s
    return mean, std


def _failing(
    rng: np.random.Generator, x: np.ndarray, y: np.ndarray
) -> tuple[str, np.ndarray, float]:
    """How failing was drawn, its log odds by row, and how much seeds differ."""
    kind = str(rng.choice(["never", "boundary", "certain", "isolated", "anywhere"], p=[0.3, 0.42, 0.1, 0.1, 0.08]))  # fmt: skip
    by_seed = float(rng.choice([0, 0.5, 1, 2]))
    if kind == "never":
        return kind, np.full(len(x), -np.inf), 0.0
    if kind == "isolated":
        logit = np.full(len(x), -np.inf)
        bad = rng.choice(len(x), rng.integers(1, 4), replace=False)
        logit[bad] = rng.uniform(-2, 4, len(bad))
        return kind, logit, by_seed
    if kind == "anywhere":
        return kind, np.full(len(x), rng.uniform(-4.5, -0.5)), by_seed
    side = rng.uniform(0.7, 1.4)
    distance = np.where(x > 0, x * side, -x)
    place = rng.choice([rng.uniform(1, 4), rng.uniform(4, 12)])
    # Small stds make what a network sees large, and trainings fail nearer to the data's mean.
    logit = rng.choice([0.5, 1, 2, 5]) * (distance - place - rng.uniform(0, 2.5) * y)
    if kind == "certain":
        return kind, np.where(logit > 0, np.inf, -np.inf), 0.0
    share = expit(logit)
    return (
        kind,
        np.where(share < NEVER, -np.inf, np.where(share > 1 - NEVER, np.inf, logit)),
        by_seed,
    )


def _effects(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """What the normalization does to final accuracies; the largest loss of each part is its size."""
    sizes = rng.choice([0, 0, 0, 0.0005, 0.001, 0.002, 0.004, 0.007, 0.01], 3)
    off = np.clip(x, -10, 10) - rng.normal(0, 0.5)
    parts = [
        np.maximum(0, -y - rng.uniform(0, 1.5)) ** 2 if rng.random() < 0.5 else (y - rng.normal(0, 0.5)) ** 2,
        off**2,
        np.maximum(0, off * y * rng.choice([-1, 1])),
    ]  # fmt: skip
    total = -sum(
        size * part / max(part.max(), 1e-9) for size, part in zip(sizes, parts, strict=True)
    )
    jagged = rng.choice([0, 0, 0.0003, 0.001])
    return total + jagged * rng.standard_normal(len(x))


def _lag(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> tuple[str, np.ndarray]:
    """How slowness was drawn, and how far from settled each row is when the recipe ends."""
    kind = str(rng.choice(["settled", "slow cells", "too few epochs"], p=[0.6, 0.28, 0.12]))
    if kind == "settled":
        return kind, np.zeros(len(x))
    # A large std makes what a network sees small, and so do gradients; a far mean slows it too.
    slow = np.maximum(0, y - rng.uniform(0, 2)) + np.maximum(0, np.abs(x) - rng.uniform(2, 8)) / 5
    lag = rng.uniform(0.003, 0.03) * slow
    return kind, lag + (rng.uniform(0.003, 0.05) if kind == "too few epochs" else 0)


def drawn_study(number: int, world: World, rng: np.random.Generator) -> SimulatedStudy:
    """Train in a world.

    Args:
        number: What the study is to be called.
        world: What is true.
        rng: Draws the trainings.

    Returns:
        What they gave.
    """
    rows, seeds = len(world.means), world.seeds
    shift = world.failing_by_seed * rng.standard_normal(seeds + world.survival)
    failed = rng.random((rows, len(shift))) < expit(world.failing_logit[:, None] + shift)
    known = np.ones(failed.shape, bool)
    known[:, seeds:] = rng.random((rows, world.survival)) < world.survival_done
    if not world.survival_everywhere:
        known[world.cells :, seeds:] = False
    lag = world.lag[:, None] * np.exp(
        LAG_SPREAD * rng.standard_normal((rows, seeds)) - LAG_SPREAD**2 / 2
    )
    skill = _final(world, rng) - lag
    # Whether a curve has settled is itself read from noisy points.
    seen = lag * np.exp(0.5 * rng.standard_normal(lag.shape))
    accuracies, correct = _tested(world, np.clip(skill, 0.001, 0.9999), failed[:, :seeds], rng)
    return SimulatedStudy(
        number=number,
        world=world,
        accuracies=accuracies,
        learned=~failed[:, :seeds],
        settled=seen <= STILL_LEARNING,
        trainings=known.sum(axis=1),
        failures=(known & failed).sum(axis=1),
        correct=correct,
    )


def _final(world: World, rng: np.random.Generator) -> np.ndarray:
    shape = (len(world.means), world.seeds)
    # Four degrees of freedom have a variance of 2.
    own = rng.standard_t(4, shape) / 2**0.5 if world.heavy else rng.standard_normal(shape)
    late = rng.random(shape) < world.late[:, None]
    return (
        world.best[:, None]
        - LATE_LOSS * late
        + world.noise[:, None] * own
        + world.by_seed * rng.standard_normal(world.seeds)
        + world.tilt * world.places @ rng.standard_normal((2, world.seeds))
    )


def _tested(
    world: World, skill: np.ndarray, failed: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray | None]:
    """Accuracies on test images, and which images are right; a failed training knows one class."""
    rows, seeds = skill.shape
    answer = np.where(rng.random(skill.shape) < 0.8, world.classes.argmax(), rng.integers(0, len(world.classes), skill.shape))  # fmt: skip
    if world.images > MOST_ANSWERS:
        of_class = rng.multinomial(world.images, world.classes)
        counts = np.where(failed, of_class[answer], rng.binomial(world.images, skill))
        return counts / world.images, None
    labels = rng.choice(len(world.classes), world.images, p=world.classes)
    image, by_row, by_seed = np.sqrt(world.shared)
    own = np.sqrt(1 - sum(world.shared))
    normal = [rng.standard_normal(s, dtype=np.float32) for s in (
        (1, 1, world.images), (rows, 1, world.images), (1, seeds, world.images), (rows, seeds, world.images)
    )]  # fmt: skip
    hard = image * normal[0] + by_row * normal[1] + by_seed * normal[2] + own * normal[3]
    correct = hard < ndtri(skill)[:, :, None]
    correct[failed] = labels[None, :] == answer[failed][:, None]
    return correct.mean(axis=2), correct


def test_image_variance(world: World, rows: np.ndarray) -> float:
    """What test images add to one accuracy, beyond what they add to its row and its seed.

    Args:
        world: What is true.
        rows: bool, the rows to average over.

    Returns:
        A variance of accuracies.
    """
    accuracy = world.reached[rows]
    if world.images > MOST_ANSWERS:
        return float((accuracy * (1 - accuracy)).mean() / world.images)
    image, by_row, by_seed = world.shared
    level = ndtri(accuracy)
    both = (1.0, image + by_row, image + by_seed, image)
    right = [_both_right(level, correlation) for correlation in both]
    return float((right[0] - right[1] - right[2] + right[3]).mean() / world.images)


def _both_right(level: np.ndarray, correlation: float) -> np.ndarray:
    """Chance that two correlated normal deviates both lie below a level (Owen, 1956)."""
    slope = np.sqrt((1 - correlation) / (1 + correlation))
    return ndtr(level) - 2 * owens_t(level, slope)
