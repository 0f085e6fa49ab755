"""A search in a dozen numbers, an answer and the reasons for it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import optuna

from normscope.findings.fresh_seeds import (
    accuracies,
    difference_from,
    failed,
    fresh_seeds,
    honest_best,
    over_images,
    repeated_row,
)
from normscope.findings.good_configurations import GoodConfigurations, good_configurations
from normscope.findings.search_answer import answer, reasons
from normscope.findings.search_verdict import (
    SearchVerdict,
    difference_verdict,
    search_verdict,
    what_settles,
)
from normscope.studies.search_work import best_configurations, references
from normscope.studies.study_file import SCHEMA
from normscope.trials.outcome import MARGIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from normscope.studies.search_study import SearchStudy, SearchTrial

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
        failed: Trials that never learned: they diverged, died or never left chance. Of results
            that do not say what became of them, those that diverged.
        stopped_early: Trials that successive halving stopped, which are not among the finished.
        chosen_on: The split whose accuracy is the ``score`` that choices look at: ``validation``,
            or ``test`` where no images are held back. Every ``accuracy`` is on test.
        best: The best single trial: ``values``, ``score``, ``accuracy``, ``number``. Its score is a
            maximum of noise.
        honest_best: The configuration that is best by fresh seeds: ``values``, mean ``accuracy``
            with ``se`` and 95 % ``interval``, ``score`` with ``score_se`` and ``score_interval``,
            both corrected for the choice, and ``seeds``; ``optimism``, by how much the score of
            ``best`` promised more than fresh seeds give its values; and ``leave_one_out``, the
            ``accuracy`` and ``score`` that each seed gives what the others choose, on average.
            None without replicates.
        repeated: Each repeated configuration: ``values``, its ``optimistic`` score in the search,
            the mean ``accuracy`` of fresh seeds with its ``se`` and 95 % ``interval``, and how many
            of the ``seeds`` ``failed``.
        references: What nobody had to search for, with the same fresh seeds, by name; likewise,
            with the ``difference`` of the honest best and its ``difference_interval``.
        good: Where the best tenth of the trials lie.
        importance: The share of each parameter in being good; None where it cannot be told.
        frozen: Whether nothing was trained.
        all_equal: Whether all trials have the same score.
        margin: The largest difference of accuracy that does not matter.
        verdict: ``yes`` where the search beats every reference, ``no`` where one of them loses
            nothing that matters, else ``unsettled``.
        decided_by: The reference that the verdict is about; None where none has fresh seeds.
        settle: What the same search needs in order to tell: ``trials`` and ``replicates``.
        answer: The verdict in a sentence, which says what to do.
        reasons: Why, in at most five.
        sentence: All of them.
    """

    trials: int
    wanted: int
    sampler: str
    diverged: int
    failed: int
    stopped_early: int
    chosen_on: str
    best: dict[str, Any]
    honest_best: dict[str, Any] | None
    repeated: list[dict[str, Any]]
    references: dict[str, dict[str, Any]]
    good: GoodConfigurations
    importance: dict[str, float] | None
    frozen: bool
    all_equal: bool
    margin: float
    verdict: SearchVerdict
    decided_by: str | None
    settle: dict[str, int] | None = None
    answer: str = ""
    reasons: tuple[str, ...] = ()

    @property
    def done(self) -> int:
        """How many trials have ended, stopped ones among them."""
        return self.trials + self.stopped_early

    @property
    def sentence(self) -> str:
        """The answer and its reasons."""
        return " ".join([self.answer, *self.reasons])

    def to_json(self) -> dict[str, Any]:
        """Every field by name, with the schema's version.

        Returns:
            What ``summary.json`` holds.
        """
        return {
            "schema": SCHEMA,
            "kind": "search",
            **vars(self),
            "good": self.good.to_json(),
            "reasons": list(self.reasons),
            "sentence": self.sentence,
        }


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
    configurations, known = best_configurations(trials), references(specification)
    results, stopped, best = study.results(), study.stopped(), configurations[0]
    images = results[0].result.test_images
    numbers: dict[str, Any] = {
        "trials": len(trials),
        "wanted": specification.trials,
        "sampler": specification.sampler,
        "diverged": sum(trial.diverged for trial in [*trials, *stopped]),
        "failed": sum(map(failed, results)) + sum(trial.diverged for trial in stopped),
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
        "frozen": not specification.trial.recipe.trains,
        "all_equal": len({trial.score for trial in trials}) == 1,
        # No study resolves less than one test image.
        "margin": max(MARGIN, 1 / images),
    }
    table = fresh_seeds(
        [*(trial.spec for trial in configurations), *known.values()],
        study.replicates(),
        specification.replicates,
    )
    differences: dict[str, np.ndarray] = {}
    if table.size:
        repeated, known_rows = table[: len(configurations)], table[len(configurations) :]
        numbers["honest_best"], chosen = honest_best(configurations, repeated)
        numbers["repeated"] = [
            {"values": trial.values, "optimistic": trial.score, **repeated_row(row)}
            for trial, row in zip(configurations, repeated, strict=True)
        ]
        rows = dict(zip(known, known_rows, strict=True))
        differences = {name: chosen - accuracies(row) for name, row in rows.items()}
        numbers["references"] = {
            name: {
                **known[name].normalization.to_json(),
                "weight_init": known[name].init_scale.weight,
                "bias_init": known[name].init_scale.bias,
                **repeated_row(row),
                **difference_from(differences[name], images, len(repeated)),
            }
            for name, row in rows.items()
        }
        for name, row in rows.items():
            compared = numbers["references"][name]
            if numbers["frozen"]:
                compared["difference_interval"] = over_images(
                    repeated[0, 0].result.correct_images(),
                    row[0].result.correct_images(),
                    looks=len(trials),
                )
            compared["verdict"] = difference_verdict(
                compared["difference_interval"], numbers["margin"]
            )
    numbers["verdict"], numbers["decided_by"] = search_verdict(
        numbers["references"], numbers["margin"]
    )
    found = SearchSummary(**numbers)
    found = replace(found, settle=what_settles(found, differences, specification.replicates))
    return replace(found, answer=answer(found), reasons=reasons(specification, found))


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
            evaluator = optuna.importance.PedAnovaImportanceEvaluator()
            shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    except UserWarning:
        return None
    return {name: float(share) for name, share in shares.items()}
