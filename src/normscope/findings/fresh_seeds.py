"""What a search's best configurations are worth under seeds that it has not used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from normscope.findings.search_verdict import of_the_chosen, over_seeds
from normscope.studies.search_work import fresh

if TYPE_CHECKING:
    from collections.abc import Sequence

    from normscope.studies.search_study import SearchTrial
    from normscope.trials.result import FinishedTrial
    from normscope.trials.spec import TrialSpec

FAILED = {"stuck", "died", "diverged"}
"""What becomes of trials that never learn."""


def failed(trial: FinishedTrial) -> bool:
    """Whether a trial never learned.

    Args:
        trial: With its result.

    Returns:
        Whether it diverged, died or never left chance; of a result that does not say what became
        of it, whether it diverged.
    """
    return trial.result.diverged or getattr(trial.result, "outcome", None) in FAILED


def fresh_seeds(
    specs: Sequence[TrialSpec], repeated: Sequence[FinishedTrial], replicates: int
) -> np.ndarray:
    """The repeated trials of seeds that have finished everywhere.

    Args:
        specs: What was repeated.
        repeated: Every finished repeated trial.
        replicates: How many fresh seeds are wanted.

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
    """Test accuracies.

    Args:
        trials: Of any shape.

    Returns:
        In [0, 1], the same shape.
    """
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
