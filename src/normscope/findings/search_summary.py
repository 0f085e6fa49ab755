"""A search in a dozen numbers, an answer and the reasons for it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

import optuna

from normscope.arguments import for_caller
from normscope.errors import NormscopeError, WorkFailed
from normscope.findings.fresh_seeds import (
    accuracies,
    difference_from,
    failed,
    fresh_seeds,
    honest_best,
    over_images,
    repeated_row,
)
from normscope.findings.good_configurations import good_configurations
from normscope.findings.search_answer import answer, reasons
from normscope.findings.search_findings import SearchSummary
from normscope.findings.search_verdict import (
    difference_verdict,
    search_verdict,
    what_settles,
)
from normscope.keywords import checked
from normscope.margin import MARGIN
from normscope.quiet import without_warnings
from normscope.studies.search_work import best_configurations, references

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from normscope.studies.search_study import SearchStudy, SearchTrial

FEWEST_FOR_IMPORTANCE = 20
"""PED-ANOVA compares the best tenth with the rest: of fewer trials that is one or none."""


@checked
def summarize_search(study: SearchStudy) -> SearchSummary:
    """Read a search's finished trials.

    Args:
        study: A search, finished or not.

    Returns:
        The summary.

    Raises:
        WorkFailed: If every one of its trials diverged.
        NormscopeError: If none of its trials has finished.
    """
    specification, trials = study.specification, study.trials()
    if not trials:
        _refuse(study)
    configurations, known = best_configurations(trials), references(specification)
    results, stopped, best = study.results(), study.stopped(), configurations[0]
    # No study resolves less than one test image.
    images = results[0].result.test_images
    margin = max(MARGIN, 1 / images)
    frozen = not specification.trial.recipe.trains
    table = fresh_seeds(
        [*(trial.spec for trial in configurations), *known.values()],
        study.replicates(),
        specification.replicates,
    )
    honest, repeated = None, []
    rows: dict[str, dict[str, Any]] = {}
    differences: dict[str, np.ndarray] = {}
    if table.size:
        chosen_rows, known_rows = table[: len(configurations)], table[len(configurations) :]
        honest, chosen = honest_best(configurations, chosen_rows)
        repeated = [
            {"values": trial.values, "optimistic": trial.score, **repeated_row(row)}
            for trial, row in zip(configurations, chosen_rows, strict=True)
        ]
        for name, row in zip(known, known_rows, strict=True):
            difference = differences[name] = chosen - accuracies(row)
            compared = {
                **known[name].normalization.to_json(),
                "weight_init": known[name].init_scale.weight,
                "bias_init": known[name].init_scale.bias,
                **repeated_row(row),
                **difference_from(difference, images, len(chosen_rows)),
            }
            if frozen:
                compared["difference_interval"] = over_images(
                    chosen_rows[0, 0].result.correct_images(),
                    row[0].result.correct_images(),
                    looks=len(trials),
                )
            compared["verdict"] = difference_verdict(compared["difference_interval"], margin)
            rows[name] = compared
    said, decided_by = search_verdict(rows, margin)
    found = SearchSummary(
        trials=len(trials),
        wanted=specification.trials,
        sampler=specification.sampler,
        diverged=sum(trial.diverged for trial in [*trials, *stopped]),
        failed=sum(map(failed, results)) + sum(trial.diverged for trial in stopped),
        stopped_early=len(stopped),
        chosen_on=specification.chosen_on,
        best={
            "values": best.values,
            "score": best.score,
            "accuracy": best.accuracy,
            "number": best.number,
        },
        honest_best=honest,
        repeated=repeated,
        references=rows,
        good=good_configurations(trials, specification.over, stopped),
        importance=importance(study.optuna_study, trials),
        frozen=frozen,
        all_equal=len({trial.score for trial in trials}) == 1,
        margin=margin,
        verdict=said,
        decided_by=decided_by,
    )
    found = replace(found, settle=what_settles(found, differences, specification.replicates))
    why = tuple(map(for_caller, reasons(specification, found)))
    return replace(found, answer=for_caller(answer(found)), reasons=why)


def _refuse(study: SearchStudy) -> NoReturn:
    wanted = study.specification.trials
    if len(study.stopped()) >= wanted:
        raise WorkFailed(
            f"{study.folder} must hold a trial that was trained to the end, got {wanted} that "
            "diverged before. Choose other ranges, or a lower --at lr=."
        )
    raise NormscopeError(
        f"{study.folder} must hold a search with at least one finished trial, got none. "
        "Run the search again to go on."
    )


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
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    with without_warnings(UserWarning):  # of a best tenth that is as good as the rest
        importances = evaluator.evaluate(study)
    total = sum(importances.values())
    return {name: float(each / total) for name, each in importances.items()} if total else None
