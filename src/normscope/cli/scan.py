"""``normscope scan``: a grid of normalizations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from normscope.cli import options
from normscope.cli.output import note_source, resumable, show, write_json
from normscope.options import declared
from normscope.progress import progress
from normscope.studies.options import Place, ScanOptions
from normscope.wording import counted, duration

if TYPE_CHECKING:
    from normscope.studies.scan_planning import PlannedScan
    from normscope.studies.specification import ScanSpec

EXAMPLE = "Example: normscope scan mnist --mean -2:3:7 --std 0.02:2:7:log --seeds 3 --epochs 2"


@options.expanded
def scan(
    context: typer.Context,
    chosen: ScanOptions,
    place: Place,
    *,
    spec: Annotated[
        Path | None,
        typer.Option(
            help="Repeat the scan in this study.toml, instead of the options above. Where its "
            "model is package.module:factory, name it with --model too."
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
    import optuna

    from normscope.errors import NormscopeError
    from normscope.studies.scan import run_scan
    from normscope.studies.scan_planning import plan_again, plan_scan
    from normscope.studies.specification import ScanSpec

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if spec is None:
        with progress("images") as update:
            plan = plan_scan(chosen, update)
    else:
        extra = _given_beside_spec(context)
        if extra:
            raise NormscopeError(
                f"--spec must be given without the options that it replaces, got {extra}. "
                "Leave them out, or edit the file."
            )
        plan = plan_again(
            ScanSpec.read_toml(spec),
            chosen.out or _study_beside(spec) or _folder_named_for(spec),
            None if chosen.root is None else Path(chosen.root),
            model=chosen.model if _was_given(context, "model") else None,
        )
    note_source(plan.source)
    if dry_run:
        _show_plan(plan, place.workers, json)
        return
    with (
        progress("trials") as update,
        resumable(plan.out, place.storage, update) as noted,
    ):
        study = run_scan(plan, place, noted)
    from normscope.cli.kept_report import fingerprint
    from normscope.cli.report import show_report

    show_report(study, json, asked=None if place.storage else fingerprint(study.folder))


def _study_beside(path: Path) -> Path | None:
    """The folder of a ``study.toml`` that lies with its study, which the same scan continues."""
    from normscope.studies.study import Study
    from normscope.studies.study_file import SPECIFICATION

    whole = path.name == SPECIFICATION and Study.find(path.parent) is not None
    return path.parent if whole else None


def _folder_named_for(path: Path) -> Path:
    """Not that of a scan by options, which has other axes."""
    from normscope.studies.study_file import SPECIFICATION

    name = path.resolve().parent.name if path.name == SPECIFICATION else path.stem
    return Path("runs") / (name or path.stem)


PLACE = [field.name for field, _ in declared(Place)]
REPEATABLE = {"spec", "model", "out", "root", "dry_run", "json", *PLACE}


def _given_beside_spec(context: typer.Context) -> str:
    given = [
        "SOURCE" if name == "source" else (parameter.opts or parameter.secondary_opts)[-1]
        for parameter in context.command.params
        if (name := parameter.name or "") not in REPEATABLE and _was_given(context, name)
    ]
    return ", ".join(given)


def _was_given(context: typer.Context, name: str) -> bool:
    return "COMMANDLINE" in str(context.get_parameter_source(name)).upper()


def _show_plan(plan: PlannedScan, workers: int | None, json: str | None) -> None:
    from normscope.studies.estimate import estimate

    expected = estimate(plan, workers)
    specification = plan.specification
    show(
        f"{counted(expected.trials, 'trial')} would run in {plan.out} "
        f"({expected.finished} are finished): {_grid(specification)} and the references, "
        f"{_each(specification)}.",
        f"About {duration(expected.seconds)} on {counted(expected.workers, 'worker')}, "
        f"and {expected.bytes_ / 1e6:.1f} MB of disk.",
        json_target=json,
    )
    write_json(expected.to_json(specification), json)


def _grid(specification: ScanSpec) -> str:
    return " x ".join(counted(len(axis.values), axis.name) for axis in specification.axes)


def _each(specification: ScanSpec) -> str:
    if not specification.trial.recipe.trains:
        return "frozen"
    epochs = counted(specification.trial.recipe.epochs, "epoch")
    kinds = (
        (specification.seeds, f", {epochs} each"),
        (specification.survival, " for survival alone"),
    )
    return " and ".join(counted(seeds, "seed") + what for seeds, what in kinds if seeds)
