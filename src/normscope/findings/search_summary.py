"""A search in a dozen numbers and one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna

from normscope.findings.good_configurations import GoodConfigurations, good_configurations
from normscope.findings.paired import PairedDifference, paired_difference
from normscope.findings.search_sentence import answer
from normscope.studies.search_work import best_configurations, fresh, references
from normscope.studies.specification import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from normscope.studies.search_study import SearchStudy, SearchTrial
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
        diverged: Finished trials whose training diverged.
        best: The best single trial: ``values``, ``accuracy``, ``number``. A maximum of noise.
        honest_best: What the best configuration gives with fresh seeds: ``values``, ``accuracy``,
            ``se``, ``seeds``, and ``optimism``, by how much ``best`` promised more. None without
            replicates.
        repeated: Each repeated configuration: ``values``, its ``optimistic`` accuracy in the
            search, and the mean ``accuracy`` of fresh seeds with its ``se``.
        references: What nobody had to search for, with the same fresh seeds, by name.
        good: Where the best tenth of the trials lie.
        importance: The share of each parameter in being good; None where it cannot be told.
        sentence: The answer.
    """

    trials: int
    wanted: int
    sampler: str
    diverged: int
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
    accuracies = {t.spec: t.result.accuracy for t in study.replicates()}
    bases = [*(t.spec for t in configurations), *known.values()]
    table = _by_seed(bases, accuracies, specification.replicates)
    best = configurations[0]
    numbers: dict[str, Any] = {
        "trials": len(trials),
        "wanted": specification.trials,
        "sampler": specification.sampler,
        "diverged": sum(trial.result.diverged for trial in results),
        "best": {"values": best.values, "accuracy": best.accuracy, "number": best.number},
        "honest_best": None,
        "repeated": [],
        "references": {},
        "good": good_configurations(trials, specification.over),
        "importance": importance(study.optuna_study, trials),
    }
    if table.size:
        chosen, honest = honestly_chosen(table[: len(configurations)])
        numbers["honest_best"] = {
            "values": configurations[chosen].values,
            **_mean(honest),
            "seeds": len(honest),
            "optimism": best.accuracy - float(honest.mean()),
        }
        numbers["repeated"] = [
            {"values": trial.values, "optimistic": trial.accuracy, **_mean(row)}
            for trial, row in zip(configurations, table, strict=False)
        ]
        numbers["references"] = _compared(known, table[len(configurations) :], honest)
    return SearchSummary(**numbers, sentence=answer(specification, numbers))


def honestly_chosen(table: np.ndarray) -> tuple[int, np.ndarray]:
    """The best configuration by fresh seeds, valued by seeds that did not choose it.

    Each seed in turn values the configuration that is best by the mean of the others, so the values
    estimate without bias what such a choice is worth; the mean of the chosen one's own seeds would
    again be a maximum of noise.

    Args:
        table: Accuracies, shape ``(configurations, seeds)``, the search's own best first.

    Returns:
        Which is best by the mean of all seeds, and one value per seed, shape ``(seeds,)``.

    Example:
        >>> honestly_chosen(np.array([[0.9, 0.5], [0.6, 0.6]]))
        (0, array([0.6, 0.5]))
    """
    seeds = table.shape[1]
    if seeds == 1:
        return 0, table[0]
    means = (table.sum(axis=1, keepdims=True) - table) / (seeds - 1)
    chosen = means.argmax(axis=0)
    return int(table.mean(axis=1).argmax()), table[chosen, np.arange(seeds)]


def importance(study: optuna.Study, trials: Sequence[SearchTrial]) -> dict[str, float] | None:
    """How much each parameter has to do with being among the best.

    Args:
        study: The search as Optuna has it.
        trials: Its finished trials.

    Returns:
        Shares that add up to 1, by PED-ANOVA (Watanabe, Bansal and Hutter, IJCAI 2023,
        arXiv:2304.10255); None for few trials, or where all have the same accuracy.
    """
    if len(trials) < FEWEST_FOR_IMPORTANCE or len({t.accuracy for t in trials}) == 1:
        return None
    return {
        name: float(share) for name, share in optuna.importance.get_param_importances(study).items()
    }


def _by_seed(
    bases: Sequence[TrialSpec], accuracies: Mapping[TrialSpec, float], replicates: int
) -> np.ndarray:
    """Accuracies of fresh seeds that have finished everywhere, shape ``(bases, seeds)``."""
    columns = [[accuracies.get(fresh(spec, r)) for spec in bases] for r in range(replicates)]
    whole = [column for column in columns if None not in column]
    return np.array(whole, float).reshape(len(whole), len(bases)).T


def _mean(values: np.ndarray) -> dict[str, float | None]:
    se = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
    return {"accuracy": float(values.mean()), "se": se}


def _compared(
    known: Mapping[str, TrialSpec], table: np.ndarray, honest: np.ndarray
) -> dict[str, dict[str, Any]]:
    compared = {}
    for (name, spec), row in zip(known.items(), table, strict=True):
        difference: PairedDifference = paired_difference(honest, row)
        compared[name] = {
            **spec.normalization.to_json(),
            "weight_init": spec.init_scale.weight,
            "bias_init": spec.init_scale.bias,
            **_mean(row),
            **difference.to_json(),
        }
    return compared
