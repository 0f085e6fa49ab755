"""What is true of simulated studies, chosen at random.

Half of the worlds are anything; in the others the truth lies far from every threshold, and there
are enough trainings to see it.
"""

from __future__ import annotations

import numpy as np
from benchmarks.simulated_worlds import LATE_LOSS, World
from scipy.special import expit

NEVER = 0.0005
"""Chances of failing below this, and above 1 less this, are taken to be 0 and 1."""

BASES = (0.7, 0.95), (0.95, 0.985), (0.985, 0.995)
"""Accuracies where nothing is wrong."""

USUAL_ANSWERS, MOST_ANSWERS = 8_000_000, 30_000_000
"""Of all trainings together; one study in ten may have the second."""


def random_world(rng: np.random.Generator) -> World:
    """Choose what is true."""
    m, s = round(rng.uniform(0.1, 0.6), 4), round(rng.uniform(0.1, 0.4), 4)
    size = str(rng.choice(["line", "small", "usual", "large"], p=[0.1, 0.35, 0.5, 0.05]))
    truth = str(rng.choice(["any", "no", "edges", "yes"], p=[0.55, 0.2, 0.15, 0.1]))
    grid = str(rng.choice(["narrow", "wide", "lopsided"][truth == "edges" :]))
    axes = _axes(rng, size, grid, m, s)
    rows = [(mean, std) for mean in axes[0] for std in axes[1]]
    rows += [r for r in ((m, s), (0.0, 1.0)) if r not in rows]
    means, stds = np.array(rows).T
    x, y = (means - m) / s, np.log(stds / s)
    clear = truth != "any"
    seeds, images = _size(rng, len(rows), clear)
    classes = _classes(rng)
    level = rng.choice(3, p=[0.1, 0.2, 0.7] if clear else [0.4, 0.4, 0.2])
    base = max(rng.uniform(*BASES[level]), (1 + classes.max()) / 2)
    noises = min(1.0, (1 - base) / 0.01)
    if not clear:
        deaths, logit, failing_by_seed = _failing(rng, x, y)
    else:
        deaths, logit = _clear_failing(rng, truth, x, y)
        failing_by_seed = float(rng.choice([0, 0.5]))
    failing = expit(logit)
    slow, lag = _lag(rng, x, y)
    late_kind, late = _late(rng, failing, clear)
    uneven = bool(rng.random() < 0.6)
    noise = (
        noises
        * rng.choice([0, 0.0003, 0.0005, 0.001, 0.002][: 3 if clear else 5])
        * np.ones(len(x))
    )
    if uneven:
        noise = noise * np.exp(0.7 * rng.standard_normal(len(x)))
        noise *= 1 + 6 * np.sqrt(failing * (1 - failing))
    noise = noise + lag * rng.choice([0, 0.1])
    heavy = bool(rng.random() < 0.2)
    effects = _effects(rng, x, y) - failing * rng.choice([0, 0, 0.01, 0.1, 0.3])
    if clear:
        effects *= 0.0004 / max(0.0004, np.ptp(effects))
        if deaths == "never" and truth != "no":
            effects -= rng.choice([0.01, 0.02, 0.05]) * ((truth == "edges") == _far(x, y))
            effects[rows.index((m, s))] = effects.max()
    # Nobody could tell a training nearer to chance from one that failed.
    best = np.clip(base + effects, classes.max() + 0.15 + LATE_LOSS, 0.999)
    image = rng.uniform(0.6, 0.85)
    return World(
        kinds={
            "truth": truth,
            "size": size,
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
        failing_by_seed=failing_by_seed,
        best=best,
        late=late,
        lag=np.minimum(lag, (best - classes.max() - 0.1) / 3.5),
        noise=np.minimum(noise, np.minimum(0.02, (1 - best) / 4)),
        heavy=heavy,
        by_seed=float(noises * rng.choice([0, 0.0005, 0.001, 0.003])),
        tilt=float(noises * rng.choice([0, 0, 0, 0.0 if clear else 0.001])),
        unsteady=float(rng.choice([0, 0, 0.02, 0.05])),
        seeds=seeds,
        survival=int(rng.choice([0, 0, 5, 10, 20, 50])),
        survival_done=float(rng.choice([1, 1, 1, 0.8])),
        survival_everywhere=bool(rng.random() < 0.5),
        images=images,
        classes=classes,
        shared=(
            image,
            rng.uniform(0, 0.02 if clear else (0.95 - image) / 2),
            rng.uniform(0, (0.95 - image) / 2),
        ),
    )


def _axes(
    rng: np.random.Generator, size: str, kind: str, m: float, s: float
) -> tuple[np.ndarray, np.ndarray]:
    low, high = {"line": (5, 10), "small": (3, 6), "usual": (5, 10), "large": (10, 16)}[size]
    counts = rng.integers(low, high, 2)
    if size == "line":
        counts[rng.integers(2)] = 1
    if kind == "narrow":
        half, factor = s * rng.uniform(0.5, 2.8), rng.uniform(1.3, 3.8)
        ends = (m - half, m + half), (s / factor, s * factor)
    elif kind == "wide":
        ends = (-2 * rng.uniform(0.5, 1.2), 3 * rng.uniform(0.5, 1.2)), (0.02, 2.0)
    else:
        side = rng.choice([-1, 1])
        far, factor = m + side * s * rng.uniform(2, 12), rng.uniform(4, 20) ** rng.choice([-1, 1])
        ends = sorted((m - side * s * rng.uniform(0, 1), far)), sorted((s, s * factor))
    mean = np.linspace(*ends[0], counts[0]) if counts[0] > 1 else np.array([rng.choice([0, m])])
    std = np.geomspace(*ends[1], counts[1]) if counts[1] > 1 else np.array([rng.choice([s, 1])])
    mean, std = mean.round(4), std.round(4)
    if rng.random() < 0.3:
        # Some people put their own statistics on the grid.
        mean[np.abs(mean - m).argmin()] = m
        std[np.abs(np.log(std / s)).argmin()] = s
    return mean, std


def _size(rng: np.random.Generator, rows: int, clear: bool) -> tuple[int, int]:
    """Seeds and test images."""
    kinds = [2, 3, int(rng.integers(4, 11)), int(rng.integers(11, 31))]
    seeds = int(rng.choice(kinds, p=[0, 0, 0.3, 0.7] if clear else [0.05, 0.15, 0.5, 0.3]))
    images = [10_000, 10_000, 50_000] if clear else [360, 1000, 2000, 10_000, 10_000]
    images = int(rng.choice(images))
    most = MOST_ANSWERS if rng.random() < 0.1 else USUAL_ANSWERS
    while images > 360 and rows * seeds * images > most:
        images = {50_000: 10_000, 10_000: 2000, 2000: 1000, 1000: 360}[images]
    return seeds, images


def _classes(rng: np.random.Generator) -> np.ndarray:
    count = int(rng.integers(2, 11))
    evenness = rng.choice([np.inf, 50, 2], p=[0.4, 0.4, 0.2])
    shares = np.full(count, 1 / count)
    if evenness < np.inf:
        shares = rng.dirichlet(np.full(count, evenness))
    # A class of nearly everything leaves nothing to learn.
    return shares if shares.max() < 0.6 else np.array([0.6, 0.4])


def _failing(
    rng: np.random.Generator, x: np.ndarray, y: np.ndarray
) -> tuple[str, np.ndarray, float]:
    """How failing was drawn, its log odds by row, and how much seeds differ."""
    kinds = ["never", "boundary", "certain", "isolated", "anywhere"]
    kind = str(rng.choice(kinds, p=[0.3, 0.42, 0.1, 0.1, 0.08]))
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
    logit = np.where(share < NEVER, -np.inf, np.where(share > 1 - NEVER, np.inf, logit))
    return kind, logit, by_seed


def _far(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """bool, the rows beyond what is usual."""
    return (np.abs(x) > 3) | (np.abs(y) > np.log(4))


def _clear_failing(
    rng: np.random.Generator, truth: str, x: np.ndarray, y: np.ndarray
) -> tuple[str, np.ndarray]:
    """Chances of failing that leave no doubt: 0, or at least 0.3, where the truth wants them."""
    logit = np.full(len(x), -np.inf)
    kind = str(rng.choice(["boundary", "isolated", "never"]))
    chosen = _far(x, y) if truth == "edges" else ~_far(x, y) & ((x != 0) | (y != 0))
    if truth == "no" or kind == "never" or not chosen.any():
        return "never", logit
    if kind == "isolated":
        chosen = chosen & (np.arange(len(x)) == rng.choice(np.flatnonzero(chosen)))
    logit[chosen] = rng.uniform(-0.8, 3, chosen.sum())
    return kind, logit


def _late(rng: np.random.Generator, failing: np.ndarray, clear: bool) -> tuple[str, np.ndarray]:
    kinds = ["in time", "late near failing", "late anywhere", "one in thirty late"]
    kind = str(rng.choice(kinds, p=[0.85, 0.05, 0.05, 0.05] if clear else [0.6, 0.2, 0.1, 0.1]))
    if kind == "late near failing":
        return kind, 0.4 * np.sqrt(failing * (1 - failing))
    share = {"in time": 0.0, "late anywhere": rng.uniform(0.02, 0.1)}.get(kind, 1 / 30)
    return kind, np.full(len(failing), share)


def _effects(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """What the normalization does to final accuracies; a part's largest loss is its size."""
    sizes = rng.choice([0, 0, 0, 0.0005, 0.001, 0.002, 0.004, 0.007, 0.01, 0.03], 3)
    off = np.clip(x, -10, 10) - rng.normal(0, 0.5)
    small, bowl = np.maximum(0, -y - rng.uniform(0, 1.5)) ** 2, (y - rng.normal(0, 0.5)) ** 2
    parts = [
        small if rng.random() < 0.5 else bowl,
        off**2,
        np.maximum(0, off * y * rng.choice([-1, 1])),
    ]
    total = -sum(
        size * part / max(part.max(), 1e-9) for size, part in zip(sizes, parts, strict=True)
    )
    jagged = rng.choice([0, 0, 0.0003, 0.001])
    return total + jagged * rng.standard_normal(len(x))


def _lag(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> tuple[str, np.ndarray]:
    """How slowness was drawn, and how far from settled each row is when the recipe ends."""
    kind = str(rng.choice(["settled", "slow cells", "too few epochs"], p=[0.65, 0.27, 0.08]))
    if kind == "settled":
        return kind, np.zeros(len(x))
    # A large std makes what a network sees small, and so do gradients; a far mean slows it too.
    slow = np.maximum(0, y - rng.uniform(0, 2)) + np.maximum(0, np.abs(x) - rng.uniform(2, 8)) / 5
    lag = rng.uniform(0.003, 0.03) * slow
    return kind, lag + (rng.uniform(0.003, 0.05) if kind == "too few epochs" else 0)
