"""What a user chooses of a check: every option once, for the command line and for Python."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, MISSING, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from normscope.options import (
    CROP,
    DEVICE,
    EXPECTED_CHANNELS,
    IMAGES,
    MODEL,
    RESIZE,
    TRANSFORMED,
    WEIGHTS,
    declared,
    option,
)

if TYPE_CHECKING:
    from normscope.normalization import Normalization


@dataclass(frozen=True)
class CheckOptions:
    """Which network, on which images, and what is used with it."""

    model: str | Any = option(MISSING, MODEL)
    _: KW_ONLY
    images: Path | str = option(
        MISSING,
        "A folder or .tar of images like those that the network is for; one folder per class, "
        "or --labels, makes the answer surer.",
        metavar="FOLDER",
        python="A folder or .tar of images like those that the network is for; one folder per "
        "class, or labels, makes the answer surer.",
    )
    weights: str | Path | None = option(None, WEIGHTS)
    labels: str | Path | None = option(
        None,
        "A CSV file without a header line: an image's name, and its class's name or number.",
        metavar="FILE",
    )
    norm: str | Normalization | None = option(
        None,
        "What you use: MEAN/STD, imagenet, none, half, clip, mnist, model for what its library "
        "states, or data for the statistics of these images.",
    )
    pipeline: str | Callable[[Any], Any] | None = option(
        None,
        f"Or the transform that you use, which turns a Pillow image into {TRANSFORMED}.",
        metavar="package.module:transform",
        python="Or the transform that you use, a function or its name, package.module:transform, "
        f"which turns a Pillow image into {TRANSFORMED}.",
    )
    processor: str | Path | None = option(
        None,
        "Or the folder of the Hugging Face image processor that you use.",
        metavar="FOLDER",
    )
    count: int = option(200, "How many images to use.", panel=IMAGES)
    resize: str | int | tuple[int, int] | None = option(None, RESIZE)
    crop: int | None = option(None, CROP)
    channels: str | None = option(None, EXPECTED_CHANNELS)
    scale: float | None = option(
        None,
        "What you divide pixels by; by default the type's maximum, 1 for floats.",
        panel=IMAGES,
    )
    device: str = option("auto", DEVICE)
    strict: bool = option(
        False,
        "Also exit 1 where nothing can be told.",
        python="Says nothing here: what is found has right, and verdict.",
    )


def said(options: CheckOptions) -> dict[str, Any]:
    """What a user has said, as plain values by the names of the options."""
    values = {field.name: getattr(options, field.name) for field, _ in declared(type(options))}
    return {
        name: value if isinstance(value, bool | int | float) else str(value)
        for name, value in values.items()
        if name not in {"model", "images"} and value is not None
    }
