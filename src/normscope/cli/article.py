"""``normscope article``: the published study, side by side with ours."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from normscope.cli import options
from normscope.cli.output import PlainTable, note, say_what_loads, show, write_json

if TYPE_CHECKING:
    from normscope.article.running import Outcome

EXAMPLE = "Example: normscope article mnist-statistics"


def article(
    name: Annotated[
        str | None,
        typer.Argument(help="An experiment, or all; leave it out to list them.", metavar="NAME"),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Shrink everything to a few minutes, and say so.")
    ] = False,
    source: Annotated[str, typer.Option(help="Images to use instead of MNIST.")] = "mnist",
    images: Annotated[
        str,
        typer.Option(help="A folder with ImageNet's validation images, or a stand-in for them."),
    ] = "imagenet",
    model: Annotated[str, typer.Option(help="The trained network to use instead of ResNet-18.")] = (
        "resnet18"
    ),
    weights: Annotated[str, typer.Option(help="Its weights: a file, or default.")] = "default",
    seeds: Annotated[
        int | None,
        typer.Option(help="Seeds per cell; 3, or 2 with --quick. The published study has one."),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Epochs to train; 30, or 1 with --quick.")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Trials to run at once.")] = None,
    root: options.Root = None,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("runs/article"),
    json: options.Json = None,
) -> None:
    """Redo the published study and compare, experiment by experiment."""
    from normscope.article.published import EXPERIMENTS, SOURCE

    if name is None:
        lines = [f"{e.name}: {e.what} (needs {e.needs})" for e in EXPERIMENTS.values()]
        show(f"The experiments of {SOURCE}:", *lines, json_target=json)
        listed = [{"name": e.name, "what": e.what, "needs": e.needs} for e in EXPERIMENTS.values()]
        write_json({"experiments": listed}, json)
        return
    say_what_loads()
    from normscope.article.running import files_of, run_article, write_page
    from normscope.article.setting import QUICK, Setting
    from normscope.writing import check_no_file

    check_no_file(out, *files_of(name))
    setting = Setting(
        source=source, images=images, model=model, weights=weights, workers=workers, root=root,
        out=out,
    )  # fmt: skip
    setting = dataclasses.replace(setting, **(QUICK if quick else {}))
    if source != "mnist":
        setting = dataclasses.replace(setting, train_images=None)
    given = {"seeds": seeds, "epochs": epochs}
    setting = dataclasses.replace(setting, **{k: v for k, v in given.items() if v is not None})
    outcomes = run_article(name, setting, lambda wanted: note(f"{wanted} ..."))
    page = write_page(name, outcomes, setting)
    if quick:
        show(
            "Shrunk by --quick: these accuracies only show that the experiments run. Do not "
            "compare them with the published ones.",
            json_target=json,
        )
    for outcome in outcomes:
        _show(outcome, json)
    show(f"The page is {page}.", json_target=json)
    write_json({"quick": quick, "experiments": [o.to_json() for o in outcomes]}, json)


def _show(outcome: Outcome, json: str | None) -> None:
    from normscope.article.agreement import WORDS

    published = outcome.published
    show(f"{published.name}: {published.what}", json_target=json)
    if outcome.absent is not None:
        show(f"  not run: {outcome.absent}", json_target=json)
        return
    table = PlainTable(["", "published", "measured", "noise", ""], [])
    for row in outcome.rows:
        noise = f"{row.noise:.4f}" if row.noise else ""
        numbers = [f"{row.published:.4f}", f"{row.measured:.4f}", noise]
        table.rows.append([row.label, *numbers, WORDS[row.verdict]])
    show(
        table, f"What the notebook computed: {published.computed}", *outcome.notes, json_target=json
    )
