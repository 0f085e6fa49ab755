"""What a search's best configurations are worth under seeds that it has not used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from normscope.auditing.pairing import LEVEL, accuracy_lost
from normscope.findings.comparison import ERROR_RATE
from normscope.findings.distributions import t_quantile
from normscope.studies.search_work import fresh
from normscope.trials.outcome import FAILURES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from normscope.studies.search_study import SearchTrial
    from normscope.trials.result import FinishedTrial
    from normscope.trials.spec import TrialSpec

LEAST_SPREAD = np.sqrt(1 / 12)
"""Standard deviation of a number within the step that it was rounded to."""


def failed(trial: FinishedTrial) -> bool:
    """Whether a trial never learned; of a result without an outcome, whether it diverged."""
    return trial.result.diverged or trial.result.outcome in FAILURES


def fresh_seeds(
    specs: Sequence[TrialSpec], repeated: Sequence[FinishedTrial], replicates: int
) -> np.ndarray:
    """The repeated trials of seeds that have finished everywhere.

    Returns:
        Trials, dtype object, shape ``(specs, seeds)``.
    """
    found = {trial.spec: trial for trial in repeated}
    columns = [[found.get(fresh(spec, r)) for spec in specs] for r in range(replicates)]
    whole = [column for column in columns if None not in column]
    table = np.empty((len(specs), len(whole)), object)
    for seed, column in enumerate(whole):
        table[:, seed] = column
    return table


def accuracies(trials: np.ndarray) -> np.ndarray:
    """Test accuracies of trials, in their shape, in [0, 1]."""
    return np.array([trial.result.accuracy for trial in trials.flat]).reshape(trials.shape)


def repeated_row(trials: np.ndarray) -> dict[str, Any]:
    """What one configuration gives.

    Args:
        trials: Of its fresh seeds, shape ``(seeds,)``.

    Returns:
        ``accuracy`` with ``se`` and ``interval``, ``seeds``, and how many ``failed``.
    """
    return {
        **over_seeds(accuracies(trials), trials[0].result.test_images),
        "seeds": len(trials),
        "failed": sum(map(failed, trials)),
    }


def honest_best(
    configurations: Sequence[SearchTrial], repeated: np.ndarray
) -> tuple[dict[str, Any], np.ndarray]:
    """The configuration that is best by fresh seeds, and what they say of it.

    Args:
        configurations: What was repeated, the search's own best first.
        repeated: Their trials, shape ``(configurations, seeds)``.

    Returns:
        The summary's ``honest_best``, and its test accuracies, shape ``(seeds,)``.
    """
    scores = np.array([trial.score for trial in repeated.flat]).reshape(repeated.shape)
    images, looks = repeated[0, 0].result.test_images, len(repeated)
    chosen, by_seed = honestly_chosen(scores)
    seeds = np.arange(len(by_seed))
    own, seen = accuracies(repeated[chosen]), over_seeds(scores[chosen], images)
    return {
        "values": configurations[chosen].values,
        **over_seeds(own, images),
        "interval": of_the_chosen(own, images, looks),
        "score": seen["accuracy"],
        "score_se": seen["se"],
        "score_interval": of_the_chosen(scores[chosen], images, looks),
        "seeds": len(own),
        "optimism": configurations[0].score - float(scores[0].mean()),
        "leave_one_out": {
            "accuracy": float(accuracies(repeated)[by_seed, seeds].mean()),
            "score": float(scores[by_seed, seeds].mean()),
        },
    }, own


def honestly_chosen(scores: np.ndarray) -> tuple[int, np.ndarray]:
    """The best configuration by fresh seeds, and for each seed the best by all others.

    Where each seed in turn values the configuration that is best by the mean of the others, the
    values estimate without bias what such a choice is worth; the mean of the chosen one's own seeds
    would again be a maximum of noise.

    Args:
        scores: Shape ``(configurations, seeds)``, the search's own best first.

    Returns:
        Which is best by the mean of all seeds, and which each seed is to value, shape ``(seeds,)``.

    Example:
        >>> honestly_chosen(np.array([[0.9, 0.5], [0.6, 0.6]]))
        (0, array([1, 0]))
    """
    seeds = scores.shape[1]
    if seeds == 1:
        return 0, np.zeros(1, int)
    means = (scores.sum(axis=1, keepdims=True) - scores) / (seeds - 1)
    return int(scores.mean(axis=1).argmax()), means.argmax(axis=0)


def over_seeds(values: np.ndarray, images: int) -> dict[str, Any]:
    """The mean of an accuracy over fresh seeds.

    Args:
        values: One per seed, shape ``(seeds,)``.
        images: How many images each is a share of. Seeds may agree to the image by chance, so they
            are taken to spread by their rounding at least.

    Returns:
        ``accuracy``, its standard error ``se``, and its 95 % t ``interval`` within [0, 1]; the last
        two are None for one seed.
    """
    mean, seeds = float(values.mean()), len(values)
    if seeds < 2:
        return {"accuracy": mean, "se": None, "interval": None}
    spread = float(values.std(ddof=1))
    half = float(t_quantile(1 - ERROR_RATE / 2, seeds - 1)) * max(spread, LEAST_SPREAD / images)
    half /= float(np.sqrt(seeds))
    interval = [max(0.0, mean - half), min(1.0, mean + half)]
    return {"accuracy": mean, "se": spread / float(np.sqrt(seeds)), "interval": interval}


def difference_from(differences: np.ndarray, images: int, looks: int) -> dict[str, Any]:
    """What the chosen one gains over a reference, seed by seed, as ``of_the_chosen`` takes it."""
    seeds, se = len(differences), None
    if seeds > 1:
        # A difference of two counts of images spreads by the rounding of both at least.
        spread = max(float(differences.std(ddof=1)), np.sqrt(2) * LEAST_SPREAD / images)
        se = spread / float(np.sqrt(seeds))
    return {
        "difference": float(differences.mean()),
        "difference_se": se,
        "difference_interval": of_the_chosen(differences, images, looks, least=-1.0),
    }


def of_the_chosen(
    values: np.ndarray, images: int, looks: int, least: float = 0.0
) -> list[float] | None:
    """Where the mean of what was chosen among several lies, over fresh seeds.

    The choice looked at these seeds, which can only flatter it: the lower end is corrected for
    every look (Bonferroni), the upper end needs no correction.

    Args:
        values: Accuracies, or differences from a reference, of the chosen one, one per seed.
        images: How many images each is a share of.
        looks: Of how many it was chosen.
        least: What cannot be less: 0 for accuracies, -1 for differences.

    Returns:
        The interval, which holds the truth 95 % of the time; None for one seed.

    Example:
        >>> [round(end, 3) for end in of_the_chosen(np.array([0.9, 0.91, 0.92]), 1000, 1)]
        [0.885, 0.935]
        >>> [round(end, 3) for end in of_the_chosen(np.array([0.9, 0.91, 0.92]), 1000, 5)]
        [0.853, 0.935]
    """
    seeds = len(values)
    if seeds < 2:
        return None
    unit = max(float(values.std(ddof=1)), LEAST_SPREAD / images) / float(np.sqrt(seeds))
    mean, tail = float(values.mean()), ERROR_RATE / 2
    low = mean + float(t_quantile(tail / looks, seeds - 1)) * unit
    return [max(least, low), min(1.0, mean - float(t_quantile(tail, seeds - 1)) * unit)]


def over_images(best: np.ndarray, reference: np.ndarray, looks: int) -> list[float]:
    """Where the difference of two frozen networks lies, over the draw of the test images.

    The best of many was chosen on these images, which can only flatter it: its lower end is
    corrected for every look (Bonferroni), its upper end needs no correction.

    Args:
        best: Which images the chosen one gets right, shape ``(N,)``.
        reference: Likewise what it is compared with.
        looks: Of how many it is the best.

    Returns:
        The interval of the first less the second: 95 % of the time it holds the truth.
    """
    _, (_, high) = accuracy_lost(best, reference)
    _, (low, _) = accuracy_lost(best, reference, 1 - (1 - LEVEL) / looks)
    return [low, high]
