"""``normscope stats``: the exact statistics of a collection of images."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from normscope.cli import options
from normscope.cli.output import note, note_skipped, show, write_json
from normscope.cli.stats_table import group_table, tables
from normscope.statistics.paste import FORMATS, limit_of, paste_lines, usual_formats
from normscope.statistics.paste_runtimes import RUNTIMES
from normscope.wording import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from normscope.statistics.collection_statistics import CollectionStatistics

EXAMPLE = "Example: normscope stats photos/ --explain imagenet"


def stats(
    source: Annotated[
        list[str],
        typer.Argument(
            help="One or more of: digits, mnist, fashion-mnist, cifar10, cifar100, a folder of "
            "images, image files, .tar, .zip or .tar.gz archives (WebDataset shards too, as "
            "shard-{000..099}.tar), .npy, IDX, an array FILE::NAME of .npz, HDF5, MATLAB, NetCDF, "
            "Zarr or FITS, a column FILE::NAME of Parquet, Arrow, LMDB or TFRecord, a video "
            "(FILE::every=10); files also by s3://, gs://, hf:// and https://.",
            metavar="SOURCE",
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
    scale: options.Scale = None,
    clip: Annotated[
        str | None,
        typer.Option(
            help="Also give the mean and std after this clip; each end is a value as stored or a "
            "percentile: -1000:400 or 0.5%:99.5%; window takes that of the DICOM headers.",
            metavar="LOW:HIGH|window",
        ),
    ] = None,
    channels: options.Channels = None,
    nodata: Annotated[float | None, typer.Option(help="Leave out pixels of this value.")] = None,
    alpha: Annotated[
        str | None,
        typer.Option(
            help="keep an alpha channel as a channel, mask the pixels where it is 0, or drop it; "
            "by default what the file's format means: a TIFF's fourth band is kept.",
            metavar="WHAT",
        ),
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option(
            help="What the axes of an array are, such as HWC or NCHW; by default a "
            "guess, which is shown.",
            metavar="AXES",
        ),
    ] = None,
    select: options.Select = None,
    bands: options.Bands = None,
    above: Annotated[
        float | None,
        typer.Option(help="Count only pixels above this value, as stored.", metavar="VALUE"),
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(
            help="Count only pixels where the mask is not 0: a folder with a mask for each image, "
            "of the same name below it.",
            metavar="FOLDER",
        ),
    ] = None,
    resize: options.Resize = None,
    crop: options.Crop = None,
    by: Annotated[
        str | None,
        typer.Option(
            help="Compare groups of images: by folder, the first below the source; by series "
            "(DICOM); or by FILE.csv:COLUMN, a table whose first column has the images' paths "
            "below the source.",
            metavar="HOW",
        ),
    ] = None,
    outliers: Annotated[
        int | None,
        typer.Option(help="List at most this many images that are unlike the rest; by default 10."),
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            help=f"Show the line to paste for this library alone: {listed(FORMATS, 'or')}.",
            metavar="LIBRARY",
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
            clip=clip,
            resize=resize,
            crop=crop,
            alpha=alpha,
            layout=layout,
            above=above,
            mask=mask,
            by=by,
            outliers=outliers,
            select=select,
            bands=bands,
            workers=workers,
            ray=ray,
            out=out,
            root=root,
            on_progress=update,
        )
    show(found.headline, *tables(found), json_target=json)
    if found.groups is not None:
        show(found.groups.sentence, group_table(found), json_target=json)
    for sentence in (*found.notes, *(e.sentence for e in found.explanations)):
        show(sentence, json_target=json)
    _show_outliers(found, json)
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
    if found.clip is not None and format_ not in {"monai", "nnunet"}:
        show(
            f"Clip the pixels first, as stored, to {found.clip.ends}; what follows does not:",
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
