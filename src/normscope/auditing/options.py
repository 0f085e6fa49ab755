"""What a user chooses of an audit: every option once, for the command line and for Python."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, MISSING, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from normscope.options import (
    CROP,
    DEVICE,
    EXPECTED,
    EXPECTED_CHANNELS,
    IMAGES,
    MACHINE,
    MODEL,
    RESIZE,
    SCALE,
    STRICT,
    TRANSFORMED,
    WEIGHTS,
    option,
)

if TYPE_CHECKING:
    from normscope.normalization import Normalization


@dataclass(frozen=True)
class AuditOptions:
    """What is audited, and how."""

    model: str | Any = option(MISSING, MODEL)
    _: KW_ONLY
    norm: str | Normalization = option(MISSING, EXPECTED)
    images: Path | str = option(
        MISSING,
        "A folder or .tar. If it holds val/ or test/ with one folder per class, mistakes are "
        "priced in accuracy; otherwise by how many answers change.",
        metavar="FOLDER",
    )
    weights: str | Path | None = option(None, WEIGHTS)
    pipeline: str | Callable[[Any], Any] | None = option(
        None,
        f"Also test this transform, which turns a Pillow image into {TRANSFORMED}.",
        metavar="package.module:transform",
        python=f"Also test this transform, a function or its name, package.module:transform, which "
        f"turns a Pillow image into {TRANSFORMED}.",
    )
    fail_over: float | None = option(
        None,
        "Exit 1 if --pipeline loses more accuracy than this, such as 0.01.",
        python="The most accuracy that the pipeline may lose, such as 0.01; the audit's "
        "tested.fails says whether it loses more.",
    )
    resize: str | int | tuple[int, int] | None = option(None, RESIZE)
    crop: int | None = option(None, CROP)
    channels: str | None = option(None, EXPECTED_CHANNELS)
    scale: float | None = option(None, SCALE)
    upright: bool = option(
        False,
        "Rotate images as Exif says in the correct pipeline; torchvision's loader does not.",
        panel=IMAGES,
    )
    device: str = option("auto", DEVICE)
    precision: str = option(
        "fp32", "fp32, bf16 or auto; bf16 by itself changes some answers.", panel=MACHINE
    )
    strict: bool = option(False, STRICT)
