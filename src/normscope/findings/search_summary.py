"""A search in a dozen numbers and one sentence."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna

from normscope.findings.good_configurations import GoodConfigurations, good_configurations
from normscope.findings.paired import PairedDifference, paired_difference
from normscope.findings.search_sentence import answer
from normscope.studies.search_work import best_configurations, fresh, references
from normscope.studies.written import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from normscope.studies.search_study import SearchStudy, SearchTrial
    from normscope.trials.result import FinishedTrial
    from normscope.trials.spec import TrialSpec

FEWEST_FOR_IMPORTANCE = 20
"""PED-ANOVA compares the best tenth with the rest: of fewer trials that is one or none."""


@dataclass(frozen=True)
class SearchSummary:
    """What a search says.

    Attributes:
        trials: Finished trials of the search itself.
        wanted: How many are wanted.
        sampler: Who chose them.
        diverged: Trials whose training diverged, finished or stopped.
        stopped_early: Trials that successive halving stopped, which are not among the finished.
        chosen_on: The split whose accuracy is the ``score`` that choices look at: ``validation``,
            or ``test`` where no images are held back. Every ``accuracy`` is on test.
        best: The best single trial: ``values``, ``score``, ``accuracy``, ``number``. Its score is a
            maximum of noise.
        honest_best: What the best configuration gives with fresh seeds: ``values``, ``accuracy``,
            ``se``, ``score``, ``score_se``, ``seeds``, and ``optimism``, by how much the score of
            ``best`` promised more. None without replicates.
        repeated: Each repeated configuration: ``values``, its ``optimistic`` score in the search,
            and the mean ``accuracy`` of fresh seeds with its ``se``.
        references: What nobody had to search for, with the same fresh seeds, by name.
        good: Where the best tenth of the trials lie.
        importance: The share of each parameter in being good; None where it cannot be told.
        sentence: The answer.
    """

    trials: int
    wanted: int
    sampler: str
    diverged: int
    stopped_early: int
    chosen_on: str
    best: dict[str, Any]
    honest_best: dict[str, Any] | None
    repeated: list[dict[str, Any]]
    references: dict[str, dict[str, Any]]
    good: GoodConfigurations
    importance: dict[str, float] | None
    sentence: str

    def to_json(self) -> dict[str, Any]:
        """Every field by name, with the schema's version.

        Returns:
            What ``summary.json`` holds.
        """
        return {"schema": SCHEMA, "kind": "search", **vars(self), "good": self.good.to_json()}


def summarize_search(study: SearchStudy) -> SearchSummary | None:
    """Read a search's finished trials.

    Args:
        study: A search, finished or not.

    Returns:
        The summary, or None while no trial has finished.
    """
    specification, trials = study.specification, study.trials()
    if not trials:
        return None
    configurations = best_configurations(trials)
    known = references(specification)
    results = study.results()
    repeated = {t.spec: t for t in study.replicates()}
    bases = [*(t.spec for t in configurations), *known.values()]
    scores, table = _by_seed(bases, repeated, specification.replicates)
    stopped = study.stopped()
    best = configurations[0]
    numbers: dict[str, Any] = {
        "trials": len(trials),
        "wanted": specification.trials,
        "sampler": specification.sampler,
        "diverged": sum(trial.diverged for trial in [*trials, *stopped]),
        "stopped_early": len(stopped),
        "chosen_on": specification.chosen_on,
        "best": {
            "values": best.values,
            "score": best.score,
            "accuracy": best.accuracy,
            "number": best.number,
        },
        "honest_best": None,
        "repeated": [],
        "references": {},
        "good": good_configurations(trials, specification.over, stopped),
        "importance": importance(study.optuna_study, trials),
    }
    if table.size:
        chosen, by_seed = honestly_chosen(scores[: len(configurations)])
        seeds = np.arange(len(by_seed))
        honest, seen = table[by_seed, seeds], _mean(scores[by_seed, seeds])
        numbers["honest_best"] = {
            "values": configurations[chosen].values,
            **_mean(honest),
            "score": seen["accuracy"],
            "score_se": seen["se"],
            "seeds": len(honest),
            "optimism": best.score - seen["accuracy"],
        }
        numbers["repeated"] = [
            {"values": trial.values, "optimistic": trial.score, **_mean(row)}
            for trial, row in zip(configurations, table, strict=False)
        ]
        numbers["references"] = _compared(
            known, table[len(configurations) :], honest, results[0].result.test_images
        )
    return SearchSummary(**numbers, sentence=answer(specification, numbers))


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


def importance(study: optuna.Study, trials: Sequence[SearchTrial]) -> dict[str, float] | None:
    """How much each parameter has to do with being among the best.

    Args:
        study: The search as Optuna has it.
        trials: Its finished trials.

    Returns:
        Shares that add up to 1, by PED-ANOVA (Watanabe, Bansal and Hutter, IJCAI 2023,
        arXiv:2304.10255); None for few trials, or where the best tenth is as good as the rest.
    """
    if len(trials) < FEWEST_FOR_IMPORTANCE or len({t.score for t in trials}) == 1:
        return None
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "Target and region quantiles select the same set")
            shares = optuna.importance.get_param_importances(study)
    except UserWarning:
        return None
    return {name: float(share) for name, share in shares.items()}


def _by_seed(
    bases: Sequence[TrialSpec], repeated: Mapping[TrialSpec, FinishedTrial], replicates: int
) -> tuple[np.ndarray, np.ndarray]:
    """Scores and accuracies of seeds that have finished everywhere, each ``(bases, seeds)``."""
    columns = [[repeated.get(fresh(spec, r)) for spec in bases] for r in range(replicates)]
    whole = [[t for t in column if t is not None] for column in columns if None not in column]
    numbers = [[(t.score, t.result.accuracy) for t in column] for column in whole]
    scores, accuracies = np.array(numbers, float).reshape(len(whole), len(bases), 2).T
    return scores, accuracies


def _mean(values: np.ndarray) -> dict[str, Any]:
    se = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
    return {"accuracy": float(values.mean()), "se": se}


def _compared(
    known: Mapping[str, TrialSpec], table: np.ndarray, honest: np.ndarray, images: int
) -> dict[str, dict[str, Any]]:
    compared = {}
    for (name, spec), row in zip(known.items(), table, strict=True):
        difference: PairedDifference = paired_difference(honest, row, images=images)
        compared[name] = {
            **spec.normalization.to_json(),
            "weight_init": spec.init_scale.weight,
            "bias_init": spec.init_scale.bias,
            **_mean(row),
            **difference.to_json(),
        }
    return compared
