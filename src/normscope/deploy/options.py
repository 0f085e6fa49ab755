"""What a user chooses of a fold."""

from __future__ import annotations

from dataclasses import KW_ONLY, MISSING, dataclass
from pathlib import Path

from normscope.options import EXPECTED, EXPECTED_CHANNELS, MODEL, WEIGHTS, option


@dataclass(frozen=True)
class FoldOptions:
    """Which network is folded, and into which file."""

    model: str = option(MISSING, MODEL)
    _: KW_ONLY
    norm: str = option(MISSING, EXPECTED)
    out: Path = option(
        MISSING,
        "The file to write: .safetensors (plus a plan next to it), .pt2 or .onnx; of a model that "
        "is a file, one of its own kind.",
        flag="--out -o",
        metavar="FILE",
    )
    weights: str | None = option(None, WEIGHTS)
    to: str = option(
        "uint8",
        "What the new model takes: uint8 (0..255), none ([0, 1]), or another normalization.",
    )
    residual: bool = option(
        False, "Leave one scale for all channels to the runtime and fold the rest."
    )
    channels: str | None = option(None, EXPECTED_CHANNELS)
    image_size: int | None = option(None, "Side, in pixels, of the image used to trace the model.")
    images: Path | None = option(
        None,
        "Compare on the images in this folder or .tar instead of on two photographs.",
        metavar="FOLDER",
    )
