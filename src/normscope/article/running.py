"""Runs the published experiments, and sets our figures beside theirs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from normscope.article.agreement import WORDS
from normscope.article.lenet import (
    first_layer,
    lenet_grid,
    lenet_points,
    lenet_search,
    lenet_training,
)
from normscope.article.pixel_statistics import imagenet_statistics, mnist_statistics
from normscope.article.published import EXPERIMENTS, SOURCE, PublishedExperiment
from normscope.article.resnet import resnet_grid, resnet_points, resnet_search
from normscope.errors import NormscopeError, UnknownName
from normscope.machine.environment import describe_environment
from normscope.reports.page import render
from normscope.writing import write_numbers, write_result

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from normscope.article.agreement import Row
    from normscope.article.setting import Runner, Setting


@dataclass(frozen=True)
class Outcome:
    """What an experiment gave.

    Attributes:
        published: The experiment.
        rows: PublishedExperiment and measured figures; empty where it could not run.
        notes: What has to be known beside the figures.
        absent: Why it could not run; None where it did.
    """

    published: PublishedExperiment
    rows: list[Row]
    notes: list[str]
    absent: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Every field by name."""
        return {
            "name": self.published.name,
            "what": self.published.what,
            "computed": self.published.computed,
            "rows": [row.to_json() for row in self.rows],
            "notes": self.notes,
            "absent": self.absent,
        }


def run_article(
    name: str, setting: Setting, on_experiment: Callable[[str], None] | None = None
) -> list[Outcome]:
    """Run one experiment, or all of them in order.

    Args:
        name: An experiment's name, or ``"all"``.
        setting: How.
        on_experiment: Called with each name before it runs.

    Returns:
        One outcome each. With ``"all"``, one that lacks its data says so and the rest run on.

    Raises:
        UnknownName: If there is no such experiment.
        NormscopeError: If the one experiment asked for cannot run.
    """
    if name != "all" and name not in EXPERIMENTS:
        raise UnknownName("experiment", name, [*EXPERIMENTS, "all"])
    outcomes = []
    for wanted in EXPERIMENTS if name == "all" else [name]:
        if on_experiment is not None:
            on_experiment(wanted)
        try:
            outcome = run_experiment(EXPERIMENTS[wanted], setting)
        except NormscopeError as error:
            if name != "all":
                raise
            outcome = Outcome(EXPERIMENTS[wanted], [], [], str(error))
        setting.out.mkdir(parents=True, exist_ok=True)
        write_numbers(setting.out / f"{wanted}.json", outcome.to_json())
        outcomes.append(outcome)
    return outcomes


def run_experiment(published: PublishedExperiment, setting: Setting) -> Outcome:
    """Run one experiment.

    Returns:
        Its outcome.

    Raises:
        NormscopeError: If it cannot be run here.
    """
    rows, notes = RUNNERS[published.name](published.figures, setting)
    return Outcome(published, rows, notes)


def files_of(name: str) -> list[str]:
    """What running an experiment writes, its page first: one of its own, unless all are run."""
    if name == "all":
        return ["article.html", *(f"{each}.json" for each in EXPERIMENTS)]
    return [f"{name}.html", f"{name}.json"]


def write_page(name: str, outcomes: Sequence[Outcome], setting: Setting) -> Path:
    """Write published and measured figures side by side.

    Args:
        name: What was run, as ``run_article`` takes it.
        outcomes: What it gave.
        setting: How it was run.

    Returns:
        The page.
    """
    here = {**describe_environment("cpu"), "source": setting.source, "images": setting.images}
    facts = [(fact.replace("_", " "), value) for fact, value in here.items() if value is not None]
    page = setting.out / files_of(name)[0]
    html = render(
        "article.html",
        title="The published study, side by side",
        data={},
        source=SOURCE,
        quick=setting.quick,
        outcomes=outcomes,
        words=WORDS,
        facts=facts,
    )
    write_result(page, html)
    return page


RUNNERS: dict[str, Runner] = {
    "mnist-statistics": mnist_statistics,
    "imagenet-statistics": imagenet_statistics,
    "lenet-training": lenet_training,
    "lenet-points": lenet_points,
    "lenet-grid": lenet_grid,
    "first-layer": first_layer,
    "lenet-search": lenet_search("lenet", {"best at mean": "mean", "best at std": "std"}),
    "lenet-init-search": lenet_search(
        "lenet-init", {"best at weight": "weight-init", "best at bias": "bias-init"}
    ),
    "resnet-points": resnet_points,
    "resnet-grid": resnet_grid("wide"),
    "resnet-zoom": resnet_grid("zoom"),
    "resnet-search": resnet_search("resnet", {"best at mean": "mean", "best at std": "std"}),
    "rgb-coarse": resnet_search("rgb-coarse", {}),
    "rgb-fine": resnet_search("rgb-fine", {}),
}
