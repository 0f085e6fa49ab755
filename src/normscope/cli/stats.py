"""``normscope stats``: the exact statistics of a collection of images."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from normscope.cli import options
from normscope.cli.output import note, note_skipped, show, write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from normscope.statistics.collection_statistics import CollectionStatistics
    from normscope.statistics.estimators import Estimate

TABLE_COLUMNS, NAME_COLUMNS = 80, 13
"""The width in characters of a table, and the least of its row names, broken at spaces."""

EXAMPLE = "Example: normscope stats photos/ --explain imagenet"


def stats(
    source: Annotated[
        list[str],
        typer.Argument(
            help="digits, mnist, fashion-mnist, cifar10, cifar100, a folder of images, image "
            "files, .tar, .zip or .tar.gz archives (WebDataset shards too, as "
            "shard-{000..099}.tar), Parquet, Arrow, LMDB, TFRecord (FILE::COLUMN), a video "
            "(FILE::every=10), .npy, .npz, an IDX file, or one of these as s3://, gs://, hf:// or "
            "https://.",
            metavar="SOURCE...",
        ),
    ],
    split: Annotated[
        str | None,
        typer.Option(
            help="train, val, test or all; by default train if there is one, otherwise all."
        ),
    ] = None,
    explain: Annotated[
        list[str] | None,
        typer.Option(
            help="Explain where these constants come from: MEAN/STD, imagenet, clip, mnist, "
            "half or "
            "none. Repeat it for more.",
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(help="Also average over batches of this many files, in file order."),
    ] = None,
    scale: Annotated[
        float | None,
        typer.Option(help="What to divide pixels by to get [0, 1]; by default the type's maximum."),
    ] = None,
    channels: options.Channels = None,
    nodata: Annotated[float | None, typer.Option(help="Leave out pixels of this value.")] = None,
    alpha: Annotated[
        str | None,
        typer.Option(
            help="keep an alpha channel as a channel, mask the pixels where it is 0, or drop it; "
            "by default what the file's format means: a TIFF's fourth band is kept.",
            metavar="keep|mask|drop",
        ),
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option(
            help="What the axes of an array are; by default guessed, and said.",
            metavar="HW|NHW|HWC|CHW|NCHW|NHWC",
        ),
    ] = None,
    resize: options.Resize = None,
    crop: options.Crop = None,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="Show the line to paste for this library alone.",
            metavar="torchvision|timm|albumentations|huggingface|monai|torchgeo|keras|openvino",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            help="Threads; by default one per core. The result does not depend on it.",
            rich_help_panel="Machine",
        ),
    ] = None,
    ray: options.Ray = None,
    root: options.Root = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Keep finished shards in this folder, to resume after an interruption; the result "
            "and the figure go there too.",
            metavar="DIR",
        ),
    ] = None,
    strict: options.Strict = False,
    json: options.Json = None,
) -> None:
    """What are the mean and std of my images, exactly, and how many digits are real?"""
    from normscope.errors import NormscopeError, UnknownName
    from normscope.statistics.paste import FORMATS
    from normscope.statistics.stats import stats as measure

    if format_ is not None and format_ not in FORMATS:
        raise UnknownName("--format", format_, FORMATS)
    with _progress() as update:
        found = measure(
            source[0] if len(source) == 1 else source,
            split=split,
            batch_size=batch_size,
            explain=explain or (),
            channels=channels,
            nodata=nodata,
            scale=scale,
            resize=resize,
            crop=crop,
            alpha=alpha,
            layout=layout,
            workers=workers,
            ray=ray,
            out=out,
            root=root,
            on_progress=update,
        )
    show(_headline(found), *_tables(found), json_target=json)
    for sentence in (*found.notes, *(e.sentence for e in found.explanations)):
        show(sentence, json_target=json)
    write_json(found.to_json(), json)
    if out is not None:
        _draw(found, out / "figures" / "channel_histograms.png")
    note_skipped(found.skipped)
    try:
        _show_paste_lines(found, format_, json)
    except NormscopeError as error:
        note(f"normscope: {error}")
    if strict and found.skipped:
        raise typer.Exit(1)


def _headline(found: CollectionStatistics) -> str:
    images = f"{found.images} image{'s' * (found.images != 1)}"
    return (
        f"{found.name}: {images}, {found.pixels} pixels, {found.dtype}, "
        f"divided by {found.scale:.10g}."
    )


def _tables(found: CollectionStatistics) -> list[Table]:
    from normscope.statistics.estimators import real_digits

    rows: dict[str, list[str]] = {
        "mean": _with_se(found.mean),
        "pixel std": _with_se(found.std),
        "mean image std": _with_se(found.mean_image_std),
        "root mean image variance": _with_se(found.root_mean_image_variance),
    }
    if found.batch_mean is not None and found.batch_std is not None:
        rows["batch mean"] = [f"{value:.6f}" for value in found.batch_mean.value]
        rows["batch std"] = [f"{value:.6f}" for value in found.batch_std.value]
    rows["min"] = [f"{value:g}" for value in found.minimum]
    rows["max"] = [f"{value:g}" for value in found.maximum]
    rows["clipped low"] = [f"{100 * share:.2f} %" for share in found.clipped_low]
    rows["clipped high"] = [f"{100 * share:.2f} %" for share in found.clipped_high]
    for what, estimate in (("mean", found.mean), ("std", found.std)):
        digits = [real_digits(se) for se in estimate.se]
        rows[f"real digits of {what}"] = ["unknown" if d is None else str(d) for d in digits]
    tables = []
    widest = max(len(cell) for cells in (found.channel_names, *rows.values()) for cell in cells)
    # Each column has a border and a space on both sides.
    fitting = (TABLE_COLUMNS - NAME_COLUMNS - 4) // (widest + 3)
    abreast = max(1, min(fitting, found.channels))
    for first in range(0, found.channels, abreast):
        table = Table(Column(max_width=TABLE_COLUMNS - 4 - abreast * (widest + 3)))
        for name in found.channel_names[first : first + abreast]:
            table.add_column(name, no_wrap=True)
        for name, values in rows.items():
            table.add_row(name, *values[first : first + abreast])
        tables.append(table)
    return tables


def _with_se(estimate: Estimate) -> list[str]:
    return [
        f"{value:.6f}" if se is None else f"{value:.6f} ± {se:.2g}"
        for value, se in zip(estimate.value, estimate.se, strict=True)
    ]


def _show_paste_lines(found: CollectionStatistics, format_: str | None, json: str | None) -> None:
    from normscope.statistics.paste import USUAL, paste_lines

    for library, line in paste_lines(found).items():
        if library in (USUAL if format_ is None else (format_,)):
            show(f"{library}: {line}", json_target=json)


def _draw(found: CollectionStatistics, path: Path) -> None:
    from normscope.figures.channel_histograms import channel_histograms, draw_channel_histograms
    from normscope.writing import replacing

    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        draw_channel_histograms(channel_histograms(found)).savefig(temporary, dpi=120)


@contextmanager
def _progress() -> Iterator[Callable[[int, float | None], None] | None]:
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
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
