"""The report page of a search."""

from __future__ import annotations

import base64
import shlex
from typing import TYPE_CHECKING

from normscope.reports.page import render
from normscope.reports.page_data import run_facts

if TYPE_CHECKING:
    from pathlib import Path

    from normscope.findings.search_summary import SearchSummary
    from normscope.studies.search_specification import SearchSpec
    from normscope.studies.search_study import SearchStudy

PANELS = {
    "history": "History",
    "contours": "Where accuracy is high",
    "parallel_coordinates": "The best configurations",
    "importances": "Which parameter matters",
}


def search_page(study: SearchStudy, summary: SearchSummary, figures: Path) -> str:
    """Write a search's page.

    Args:
        study: A search with at least one finished trial.
        summary: What it says.
        figures: The folder with its panels, already drawn; those that are absent are left out.

    Returns:
        HTML, with its style, script, data and panels inside.
    """
    trial = study.specification.trial
    trials = study.trials()
    data = {
        "parameters": list(summary.best["values"]),
        "trials": [{"number": t.number, "accuracy": t.accuracy, **t.values} for t in trials],
    }
    panels = [
        (label, base64.b64encode((figures / f"{name}.png").read_bytes()).decode("ascii"))
        for name, label in PANELS.items()
        if (figures / f"{name}.png").is_file()
    ]
    return render(
        "search.html",
        title=f"{trial.model} on {trial.source}",
        data=data,
        summary=summary,
        panels=panels,
        facts=[
            ("trials finished", f"{summary.trials} of {summary.wanted}"),
            ("sampler", summary.sampler),
            *run_facts(study.results()),
        ],
        specification=study.specification.to_toml(),
        command=search_command(study.specification),
    )


def search_command(specification: SearchSpec) -> str:
    """The command that repeats a search.

    Args:
        specification: The search.

    Returns:
        A line for a shell, every word quoted where it has to be.
    """
    trial = specification.trial
    options = {
        "norm": trial.normalization,
        "trials": specification.trials,
        "sampler": specification.sampler,
        "replicates": specification.replicates,
        "seed": trial.seed,
        "model": trial.model,
        "recipe": trial.recipe.name,
        "epochs": trial.recipe.epochs,
        "train-images": trial.train_images,
        "device": trial.device,
        "precision": trial.precision,
        "trainer": trial.trainer,
        "threads": trial.threads,
    }
    over = [
        f"--over={r.name}={r.low!r}:{r.high!r}{':log' if r.log else ''}" for r in specification.over
    ]
    scales = {"weight-init": trial.init_scale.weight, "bias-init": trial.init_scale.bias}
    varied = {r.name for r in specification.over}
    at = [f"--at={n}={v!r}" for n, v in scales.items() if v != 1 and n not in varied]
    given = [f"--{name}={value}" for name, value in options.items() if value is not None]
    return shlex.join(["normscope", "search", trial.source, *over, *at, *given])
