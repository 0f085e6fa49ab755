"""``normscope fold``: a model that takes raw pixels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from normscope.cli import options
from normscope.cli.output import show, write_json

if TYPE_CHECKING:
    from normscope.deploy.shipping import Shipped

EXAMPLE = "Example: normscope fold squeezenet1_1 --weights FILE --norm imagenet -o raw.onnx"


def fold(
    model: options.ModelArgument,
    norm: Annotated[
        str,
        typer.Option(
            help="What the model expects: MEAN/STD, imagenet, none, half, clip, mnist, or model "
            "for what its library states."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="The file to write: .safetensors (plus a plan next to it), .pt2 or .onnx.",
            metavar="FILE",
        ),
    ],
    weights: options.Weights = None,
    to: Annotated[
        str,
        typer.Option(
            help="What the new model takes: uint8 (0..255), none ([0, 1]), or another "
            "normalization."
        ),
    ] = "uint8",
    residual: Annotated[
        bool,
        typer.Option(
            "--residual", help="Leave one scale for all channels to the runtime and fold the rest."
        ),
    ] = False,
    channels: Annotated[
        str | None, typer.Option(help="rgb or grey; by default what the weights expect.")
    ] = None,
    image_size: Annotated[
        int | None, typer.Option(help="Side, in pixels, of the image used to trace the model.")
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            help="Compare on the images in this folder or .tar instead of on two photographs.",
            metavar="FOLDER",
        ),
    ] = None,
    json: options.Json = None,
) -> None:
    """Ship a model that takes raw pixels: fold its normalization into its first layer."""
    from normscope.deploy.shipping import ship
    from normscope.models.trained import channel_count

    shipped = ship(
        model,
        out,
        norm=norm,
        weights=weights,
        to=to,
        residual=residual,
        channels=channel_count(channels),
        image_size=image_size,
        images=images,
    )
    show(*_sentences(shipped), json_target=json)
    write_json(shipped.to_json(), json)


def _sentences(shipped: Shipped) -> list[str]:
    folded = shipped.folded
    layers = ", ".join(
        f"{name or 'the model'} ({plan['kind']})" for name, plan in folded.changes.items()
    )
    takes = {"uint8": "pixels of 0..255", "none": "pixels of [0, 1]"}.get(
        folded.takes, f"pixels normalized by {folded.takes}"
    )
    scaled = "" if folded.scale == 1 else f", multiplied by {folded.scale:.10g}"
    return [
        f"{shipped.out} takes {takes}{scaled}. Folded {folded.normalization} into {layers}.",
        (
            f"Largest difference in an output: {shipped.largest_difference:.2g} as read back from "
            f"the file, {shipped.float64_difference:.2g} in float64; outputs have a std of "
            f"{shipped.spread:.3g}."
        ),
    ]
