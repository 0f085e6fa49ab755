"""``normscope audit``: what each usual preprocessing mistake would cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from normscope.cli import options
from normscope.cli.output import note, note_skipped, show, write_json
from normscope.cli.progress import progress

if TYPE_CHECKING:
    from rich.table import Table

    from normscope.auditing.result import Audit, Cost

EXAMPLE = (
    "Example: normscope audit squeezenet1_1 --weights default --norm imagenet --images photos "
    "--resize 256 --crop 224"
)

FAILED = 1


def audit(
    model: options.ModelArgument,
    norm: Annotated[
        str,
        typer.Option(
            help="What the model expects: MEAN/STD, imagenet, none, half, clip, mnist, or model "
            "for what its library says."
        ),
    ],
    images: Annotated[
        Path,
        typer.Option(
            help="A folder or .tar. With val/ or test/ in it, and one folder per class in that, "
            "accuracies are known; else disagreement with the correct pipeline is.",
            metavar="FOLDER",
        ),
    ],
    weights: options.Weights = None,
    pipeline: Annotated[
        str | None,
        typer.Option(
            help="Test this too: it takes a Pillow image and gives a float tensor (C, H, W).",
            metavar="package.module:transform",
        ),
    ] = None,
    fail_over: Annotated[
        float | None,
        typer.Option(help="Exit 1 if --pipeline loses more accuracy than this, such as 0.01."),
    ] = None,
    resize: options.Resize = None,
    crop: options.Crop = None,
    channels: Annotated[
        str | None,
        typer.Option(
            help="rgb or grey; what the weights say by default.", rich_help_panel="Images"
        ),
    ] = None,
    upright: Annotated[
        bool,
        typer.Option(
            "--upright",
            help="The correct pipeline turns images as Exif says; torchvision's loader does not.",
            rich_help_panel="Images",
        ),
    ] = False,
    device: options.Device = "auto",
    precision: Annotated[
        str,
        typer.Option(
            help="fp32, bf16 or auto; bf16 changes some answers by itself.",
            rich_help_panel="Machine",
        ),
    ] = "fp32",
    strict: options.Strict = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Write report.html, audit.json and a figure into this folder."),
    ] = None,
    json: options.Json = None,
) -> None:
    """What would each usual preprocessing mistake cost? And does this pipeline make one?

    Raises:
        Exit: With status 1, if the pipeline under test loses more than it may.
    """
    from normscope.auditing.audit import audit as run_audit

    with progress("images") as update:
        found = run_audit(
            model,
            norm=norm,
            images=images,
            weights=weights,
            pipeline=pipeline,
            fail_over=fail_over,
            resize=resize,
            crop=crop,
            channels=channels,
            upright=upright,
            device=device,
            precision=precision,
            strict=strict,
            on_image=update,
        )
    note_skipped(found.skipped)
    show(_table(found), *_left_out(found), *found.sentences, json_target=json)
    write_json(found.to_json(), json)
    if out is not None:
        from normscope.reports.audit_page import write_audit

        show(f"Written: {', '.join(map(str, write_audit(found, out)))}", json_target=json)
    if found.tested is not None and found.tested.fails:
        note(f"--pipeline {found.tested.name} loses more than --fail-over {fail_over:g}.")
        raise typer.Exit(FAILED)


def _table(found: Audit) -> Table:
    from rich import box
    from rich.table import Table

    drifts = bool(found.reference.drift)
    heads = ["accuracy", "lost", "95 % interval"] if found.labelled else []
    heads += ["disagreement"] if found.labelled else ["disagreement", "95 % interval"]
    table = Table("", "", *heads, *(["drift"] if drifts else []), box=box.SIMPLE_HEAD)
    rows: list[tuple[str, str, Cost]] = [
        (mistake.name, mistake.description, mistake.cost)
        for mistake in found.mistakes
        if mistake.cost is not None
    ]
    if found.tested is not None:
        rows.insert(0, ("pipeline", found.tested.name, found.tested.cost))
    reference = found.reference
    accuracy = [f"{reference.accuracy:.4f}", "", ""] if reference.accuracy is not None else []
    blank = [""] if found.labelled else ["", ""]
    table.add_row(
        "reference",
        Text(found.preparation),
        *accuracy,
        *blank,
        *([_drift(reference.mean_drift)] if drifts else []),
    )
    for name, description, cost in rows:
        table.add_row(
            name,
            Text(description),
            *_numbers(cost),
            *([_drift(cost.mean_drift)] if drifts else []),
        )
    return table


def _numbers(cost: Cost) -> list[str]:
    disagreement = f"{cost.disagreement:.4f}"
    if cost.accuracy is None or cost.lost is None or cost.interval is None:
        return [disagreement, _interval(cost.disagreement_interval)]
    return [f"{cost.accuracy:.4f}", f"{cost.lost:.4f}", _interval(cost.interval), disagreement]


def _interval(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.4f} to {interval[1]:.4f}"


def _drift(drift: float | None) -> str:
    return "" if drift is None else f"{drift:.3g}"


def _left_out(found: Audit) -> list[str]:
    return [f"{m.name} cannot be priced: {m.reason}." for m in found.mistakes if m.cost is None]
