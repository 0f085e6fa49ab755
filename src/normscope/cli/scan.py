"""``normscope scan``: a grid of normalizations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from normscope.cli import options
from normscope.cli.output import note, note_skipped, show, write_json
from normscope.cli.progress import progress

if TYPE_CHECKING:
    from normscope.studies.scan_planning import PlannedScan
    from normscope.studies.specification import ScanSpec

EXAMPLE = "Example: normscope scan mnist --mean -2:3:7 --std 0.02:2:7:log --seeds 3 --epochs 2"

AXIS = "START:STOP:COUNT, START:STOP:COUNT:log or a comma list."


ChannelAxis = Annotated[
    str | None,
    typer.Option(help="An axis for this channel alone.", rich_help_panel="Single channels"),
]


def scan(
    context: typer.Context,
    source: options.Source = "digits",
    mean: Annotated[
        str | None, typer.Option(help=f"The grid's means: {AXIS} -2:3:5 by default.")
    ] = None,
    std: Annotated[
        str | None, typer.Option(help=f"The grid's stds: {AXIS} 0.02:2:5:log by default.")
    ] = None,
    mean_r: ChannelAxis = None,
    mean_g: ChannelAxis = None,
    mean_b: ChannelAxis = None,
    std_r: ChannelAxis = None,
    std_g: ChannelAxis = None,
    std_b: ChannelAxis = None,
    norm: Annotated[
        str | None,
        typer.Option(
            help="The normalization of the other channels, where single ones are varied; by "
            "default "
            "data.",
            rich_help_panel="Single channels",
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            help="Seeds per cell; 3, or 1 where nothing is trained. Ask for more than before, "
            "or for "
            "more values on an axis, to extend the study in the folder."
        ),
    ] = None,
    survival: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="N more seeds per cell, each trained only until it is clear whether it learns: "
            "minutes instead of hours.",
        ),
    ] = 0,
    first_seed: Annotated[
        int, typer.Option(help="The first replicate's seed.", rich_help_panel="Trial")
    ] = 0,
    model: options.Model = "lenet",
    recipe: options.RecipeName = None,
    epochs: options.Epochs = None,
    train_images: options.TrainImages = None,
    weight_init: options.WeightInit = 1.0,
    bias_init: options.BiasInit = 1.0,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    trainer: options.Trainer = "fast",
    threads: Annotated[
        int | None,
        typer.Option(
            help="CPU threads per trial: 1, or all cores where nothing is trained. The last digits "
            "depend on it.",
            rich_help_panel="Machine",
        ),
    ] = None,
    workers: options.Workers = None,
    ray: options.Ray = None,
    weights: options.Weights = None,
    new_head: options.NewHead = False,
    no_batchnorm: options.NoBatchnorm = False,
    padding: options.Padding = None,
    half_width: options.HalfWidth = None,
    resize: options.Resize = None,
    crop: options.Crop = None,
    channels: options.Channels = None,
    root: options.Root = None,
    strict: options.Strict = False,
    spec: Annotated[
        Path | None,
        typer.Option(
            help="Repeat the scan in this study.toml, instead of the options above. Where its "
            "model is package.module:factory, name it with --model too."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The study's folder; by default runs/SOURCE-MODEL, or the folder that --spec "
            "is in."
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Only say what would run, how long it takes and how much disk it needs.",
        ),
    ] = False,
    json: options.Json = None,
) -> None:
    """Does normalization matter? Train under every (mean, std) of a grid, with several seeds."""
    given = dict(locals())

    import optuna

    from normscope.errors import NormscopeError
    from normscope.studies.by_name import by_name
    from normscope.studies.scan import run_scan
    from normscope.studies.scan_planning import ScanOptions, plan_again, plan_scan
    from normscope.studies.specification import ScanSpec

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if spec is None:
        given["batchnorm"], given["channel_axes"] = not no_batchnorm, _channel_axes(given)
        said = by_name(ScanOptions, given)
        with progress("images") as update:
            plan = plan_scan(said, update)
    else:
        extra = _given_beside_spec(context)
        if extra:
            raise NormscopeError(
                f"--spec must be given without the options that it replaces, got {extra}. "
                "Leave them out, or edit the file."
            )
        plan = plan_again(
            ScanSpec.read_toml(spec),
            out or _study_beside(spec),
            root,
            model=model if _was_given(context, "model") else None,
        )
    note_skipped(plan.source.skipped)
    if dry_run:
        _show_plan(plan, workers, json)
        return
    try:
        with progress("trials") as update:
            run_scan(plan, workers, update, ray)
    except KeyboardInterrupt:
        note(
            f"Interrupted. Finished trials are kept in {plan.out}; run the same command to resume."
        )
        raise
    from normscope.cli.report import show_report

    show_report(plan.out, json)


def _study_beside(path: Path) -> Path | None:
    """The folder of a ``study.toml`` that lies with its study, which the same scan goes on with."""
    from normscope.studies.study import SPECIFICATION, Study

    whole = path.name == SPECIFICATION and Study.find(path.parent) is not None
    return path.parent if whole else None


def _channel_axes(given: dict[str, Any]) -> dict[str, str]:
    from normscope.studies.parameters import CHANNEL_PARAMETERS

    texts = {name: given[name.replace("-", "_")] for name in CHANNEL_PARAMETERS}
    return {name: text for name, text in texts.items() if text is not None}


REPEATABLE = {"spec", "model", "out", "root", "workers", "ray", "dry_run", "json"}


def _given_beside_spec(context: typer.Context) -> str:
    given = [
        f"--{name.replace('_', '-')}" if name != "source" else "SOURCE"
        for name in context.params
        if name not in REPEATABLE and _was_given(context, name)
    ]
    return ", ".join(given)


def _was_given(context: typer.Context, name: str) -> bool:
    return "COMMANDLINE" in str(context.get_parameter_source(name)).upper()


def _show_plan(plan: PlannedScan, workers: int | None, json: str | None) -> None:
    from normscope.studies.estimate import estimate

    expected = estimate(plan, workers)
    specification = plan.specification
    show(
        f"{expected.trials} trials would run in {plan.out} ({expected.finished} are finished): "
        f"{_grid(specification)} and the references, {_each(specification)}.",
        f"About {_duration(expected.seconds)} on {expected.workers} "
        f"worker{'s' if expected.workers != 1 else ''}, "
        f"and {expected.bytes_ / 1e6:.1f} MB of disk.",
        json_target=json,
    )
    write_json(expected.to_json(specification), json)


def _grid(specification: ScanSpec) -> str:
    return " x ".join(f"{len(axis.values)} {axis.name}s" for axis in specification.axes)


def _each(specification: ScanSpec) -> str:
    if not specification.recipe.trains:
        return "frozen"
    epochs = specification.recipe.epochs
    parts = [
        f"{specification.seeds} seeds, {epochs} epochs each" if specification.seeds else "",
        f"{specification.survival} seeds for survival alone" if specification.survival else "",
    ]
    return " and ".join(part for part in parts if part)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
