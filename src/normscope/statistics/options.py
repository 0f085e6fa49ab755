"""What a user chooses of statistics: every option once, for the command line and for Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, MISSING, dataclass
from pathlib import Path
from typing import Any

from normscope.options import (
    BANDS,
    CHANNELS,
    CROP,
    MACHINE,
    RAY,
    RESIZE,
    ROOT,
    SCALE,
    SELECT,
    STRICT,
    option,
)


@dataclass(frozen=True)
class StatsOptions:
    """Which images are measured, and which of their pixels count."""

    source: Sequence[str] | Any = option(
        MISSING,
        "One or more of: digits, mnist, fashion-mnist, cifar10, cifar100, a folder of images, "
        "image files, .tar, .zip or .tar.gz archives (WebDataset shards too, as "
        "shard-{000..099}.tar), .npy, IDX, an array FILE::NAME of .npz, HDF5, MATLAB, NetCDF, Zarr "
        "or FITS, a column FILE::NAME of Parquet, Arrow, LMDB or TFRecord, a video "
        "(FILE::every=10); files also by s3://, gs://, hf:// and https://.",
        metavar="SOURCE",
        argument=True,
    )
    _: KW_ONLY
    split: str | None = option(
        None, "train, val, test or all; by default train if there is one, otherwise all."
    )
    explain: Sequence[str] = option(
        (),
        "Explain where these constants come from: MEAN/STD, imagenet, clip, mnist, half or none. "
        "Repeat it for more.",
        python="Explain where these constants come from: MEAN/STD, imagenet, clip, mnist, half or "
        "none; one string or a list of them.",
    )
    batch_size: int | None = option(
        None, "Also average over batches of this many files, in file order."
    )
    scale: float | None = option(None, SCALE)
    clip: str | None = option(
        None,
        "Also give the mean and std after this clip; each end is a value in the pixels' own units "
        "or a percentile: -1000:400 or 0.5%:99.5%; window takes that of the DICOM headers.",
        metavar="LOW:HIGH|window",
    )
    channels: str | None = option(None, CHANNELS)
    nodata: float | None = option(None, "Leave out pixels of this value.")
    alpha: str | None = option(
        None,
        "keep an alpha channel as a channel, mask the pixels where it is 0, or drop it; by default "
        "what the file's format means: a TIFF's fourth band is kept.",
        metavar="WHAT",
    )
    layout: str | None = option(
        None,
        "What the axes of an array are, such as HWC or NCHW; by default a guess, which is shown.",
        metavar="AXES",
    )
    select: str | None = option(None, SELECT)
    bands: str | None = option(None, BANDS)
    above: float | None = option(
        None, "Count only pixels above this value, in their own units.", metavar="VALUE"
    )
    mask: Path | str | None = option(
        None,
        "Count only pixels where the mask is not 0: a folder with a mask for each image, of the "
        "same name below it.",
        metavar="FOLDER",
    )
    resize: str | int | tuple[int, int] | None = option(None, RESIZE)
    crop: int | None = option(None, CROP)
    by: str | None = option(
        None,
        "Compare groups of images: by folder, the first below the source; by series (DICOM); or by "
        "FILE.csv:COLUMN, a table whose first column has the images' paths below the source.",
        metavar="HOW",
    )
    outliers: int | None = option(
        None, "List at most this many images that are unlike the rest; by default 10."
    )
    workers: int | None = option(
        None,
        "Threads; by default one per core. The result does not depend on it.",
        panel=MACHINE,
    )
    ray: str | None = option(None, RAY)
    root: Path | str | None = option(None, ROOT)
    out: Path | str | None = option(
        None,
        "Keep finished shards in this folder, to resume after an interruption; the result and the "
        "figure go there too.",
        metavar="DIR",
    )
    strict: bool = option(False, STRICT)
