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
from benchmarks.random_worlds import random_world
from benchmarks.simulated_worlds import LAG_SPREAD, LATE_LOSS, World
from scipy.special import expit, ndtr, ndtri

STILL_LEARNING = 0.002
"""A training whose curve seems to have more than this before it has not settled."""


@dataclass(frozen=True)
class SimulatedStudy:
    """What a world's trainings gave.

    Attributes:
        number: Its number; with the simulation's seed it gives the same study again.
        world: What is true.
        accuracies: Of the trainings to the end, shape ``(rows, seeds)``.
        failed: bool, whether each failed.
        settled: bool, whether its curve seems to have settled.
        trainings: By row, how many trainings there are, survival trainings included.
        failures: How many of them failed.
        correct: bool, ``(rows, seeds, images)``.
        of_these_images: By row, what trainings that learn have on average on these very images.
    """

    number: int
    world: World
    accuracies: np.ndarray
    failed: np.ndarray
    settled: np.ndarray
    trainings: np.ndarray
    failures: np.ndarray
    correct: np.ndarray
    of_these_images: np.ndarray


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


def drawn_study(number: int, world: World, rng: np.random.Generator) -> SimulatedStudy:
    """Train in a world."""
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
    skill = np.clip(_final(world, rng) - lag, 0.001, 0.9999)
    # Whether a curve has settled is itself read from noisy points.
    seen = lag * np.exp(0.5 * rng.standard_normal(lag.shape))
    correct, of_these_images = _tested(world, skill, failed[:, :seeds], rng)
    return SimulatedStudy(
        number=number,
        world=world,
        accuracies=correct.mean(axis=2),
        failed=failed[:, :seeds],
        settled=(seen <= STILL_LEARNING) & (rng.random(seen.shape) >= world.unsteady),
        trainings=known.sum(axis=1),
        failures=(known & failed).sum(axis=1),
        correct=correct,
        of_these_images=of_these_images,
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
) -> tuple[np.ndarray, np.ndarray]:
    """Which images are right, a failed training knowing one class; and what was to be expected."""
    rows, seeds = skill.shape
    answer = rng.integers(0, len(world.classes), skill.shape)
    answer[rng.random(skill.shape) < 0.8] = world.classes.argmax()
    labels = rng.choice(len(world.classes), world.images, p=world.classes)
    image, by_row, by_seed = (np.float32(v) for v in np.sqrt(world.shared))
    own = np.float32(np.sqrt(1 - sum(world.shared)))

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape, dtype=np.float32)

    common, of_seed = image * normal(1, world.images), by_seed * normal(seeds, world.images)
    level = ndtri(skill).astype(np.float32)
    left = np.sqrt(1 - image**2 - by_row**2)
    correct = np.empty((rows, seeds, world.images), bool)
    expected = np.empty(rows)
    for row in range(rows):
        hard = common[0] + by_row * normal(world.images)
        np.less(
            hard + of_seed + own * normal(seeds, world.images),
            level[row, :, None],
            out=correct[row],
        )
        typical = ndtri(np.clip(world.reached[row], 0.001, 0.9999))
        expected[row] = ndtr((typical - hard) / left).mean()
    correct[failed] = labels[None, :] == answer[failed][:, None]
    return correct, expected
