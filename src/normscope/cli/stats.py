"""``normscope stats``: the exact statistics of a collection of images."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from normscope.cli import options
from normscope.cli.output import note, note_skipped, show, write_json
from normscope.cli.stats_table import group_table, tables
from normscope.progress import progress
from normscope.statistics.options import StatsOptions
from normscope.statistics.paste import FORMATS, limit_of, paste_lines, usual_formats
from normscope.statistics.paste_runtimes import RUNTIMES
from normscope.wording import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from normscope.statistics.collection_statistics import CollectionStatistics

VALUES = {"stored": "as stored", "rescaled": "after the header's slope and offset"}

EXAMPLE = "Example: normscope stats photos/ --explain imagenet"


@partial(options.expanded, loads_torch=False)
def stats(
    chosen: StatsOptions,
    *,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            help=f"Show the line to paste for this library alone: {listed(FORMATS, 'or')}.",
            metavar="LIBRARY",
        ),
    ] = None,
    json: options.Json = None,
) -> None:
    """What are the mean and std of my images, exactly, and how many digits are real?"""
    from normscope.errors import NormscopeError, UnknownName
    from normscope.statistics.stats import stats as measure

    if format_ is not None and format_ not in FORMATS:
        raise UnknownName("--format", format_, FORMATS)
    with _progress() as update:
        source = chosen.source[0] if len(chosen.source) == 1 else chosen.source
        # An image that cannot be read is an error only after all that could be has been shown.
        found = measure(**{**vars(chosen), "source": source, "strict": False}, on_progress=update)
    show(found.headline, *tables(found), json_target=json)
    if found.groups is not None:
        show(found.groups.sentence, group_table(found), json_target=json)
    for sentence in (*found.notes, *(e.sentence for e in found.explanations)):
        show(sentence, json_target=json)
    _show_outliers(found, json)
    write_json(found.to_json(), json)
    if chosen.out is not None:
        _draw(found, Path(chosen.out) / "figures" / "channel_histograms.png")
    note_skipped(found.skipped)
    try:
        _show_paste_lines(found, format_, json)
    except NormscopeError as error:
        note(f"normscope: {error}")
    if chosen.strict and found.skipped:
        raise typer.Exit(1)


def _show_outliers(found: CollectionStatistics, json: str | None) -> None:
    if not found.outliers:
        return
    from normscope.statistics.outliers import RULE

    show("Unlike the rest, the most unlike first:", json_target=json)
    for outlier in found.outliers:
        frame = f", frame {outlier.frame}" if outlier.frame else ""
        show(f"  {outlier.path}{frame}: {outlier.reason}", json_target=json)
    show(RULE, json_target=json)


def _show_paste_lines(found: CollectionStatistics, format_: str | None, json: str | None) -> None:
    lines = paste_lines(found, usual_formats(found) if format_ is None else (format_,))
    kind = found.kind_of_values
    if found.clip is not None and format_ not in {"monai", "nnunet"}:
        show(
            f"Clip the pixels first, {VALUES.get(kind, f'in {kind}')}, to {found.clip.ends}; what "
            "follows does not:",
            json_target=json,
        )
    if format_ == "nnunet" and found.mask is None:
        note("nnU-Net's fingerprint is that of the foreground: add --mask with the label maps.")
    for library, line in lines.items():
        show(f"{library}: {line}", json_target=json)
    limit = limit_of(format_, found) if format_ in RUNTIMES else None
    if limit is not None:
        note(limit)


def _draw(found: CollectionStatistics, path: Path) -> None:
    from normscope.figures.channel_histograms import channel_histograms, draw_channel_histograms
    from normscope.writing import replacing

    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        draw_channel_histograms(channel_histograms(found)).savefig(temporary, dpi=120)


@contextmanager
def _progress() -> Iterator[Callable[[int, float | None], None]]:
    console = Console(stderr=True)
    if not console.is_terminal:
        with progress("images") as tell:
            yield lambda images, _: tell(images, None)
        return
    columns = (
        TextColumn("{task.completed:.0f} images"),
        TextColumn("{task.fields[rate]}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None, rate="")

        def update(images: int, share: float | None) -> None:
            elapsed = bar.tasks[0].elapsed or 0
            rate = f"{images / elapsed:.0f}/s" if elapsed else ""
            total = images / share if share else None
            bar.update(task, completed=images, total=total, rate=rate)

        yield update
