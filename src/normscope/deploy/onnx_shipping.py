"""From an ONNX file to a checked one that takes raw pixels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from normscope.deploy.comparing import some_images
from normscope.deploy.onnx_comparing import Differences, compare_graphs, open_session
from normscope.deploy.onnx_folding import FoldedGraph, fold_graph
from normscope.deploy.onnx_input import image_input
from normscope.deploy.saving import describe
from normscope.errors import NormscopeError
from normscope.models.files.onnx_file import read_graph
from normscope.models.options import DEFAULT_WEIGHTS
from normscope.models.trained import channel_count
from normscope.normalization import BYTES, Normalization
from normscope.writing import check_no_input, replacing

if TYPE_CHECKING:
    from normscope.deploy.affine import Affine
    from normscope.deploy.onnx_input import GraphInput
    from normscope.deploy.options import FoldOptions

SIDE = 224
SAME = 0.01
"""Constants that differ by less, in units of the std, are one normalization."""


@dataclass(frozen=True)
class ShippedGraph:
    """What came of folding an ONNX file.

    Attributes:
        folded: The model and what was done to it.
        out: The file.
        differences: Between it and the original.
    """

    folded: FoldedGraph
    out: Path
    differences: Differences

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of the file that was given."""
        own = self.folded.own
        if not self.folded.merged:
            return ()
        nodes = ", ".join(self.folded.merged)
        what = "" if own is None else f" compute {own} of their input and"
        said = (
            f"The graph's own nodes in front of that layer ({nodes}){what} were merged into it, "
            f"after {self.folded.normalization}."
        )
        return (said,)

    @property
    def compared(self) -> str:
        """How large the largest difference in an output is, where."""
        met = self.differences
        return (
            f"{met.largest:.2g} in onnxruntime, where outputs have a std of {met.spread:.3g}; at "
            f"the first layer {met.first_layer:.2g} of its outputs' std."
        )

    def to_json(self) -> dict[str, Any]:
        """What ``--json`` holds."""
        own = self.folded.own
        return {
            "out": str(self.out),
            **describe(self.folded),
            "layers": self.folded.changes,
            "merged": list(self.folded.merged),
            "own_factor": None if own is None else own.factor.tolist(),
            "own_offset": None if own is None else own.offset.tolist(),
            "first_layer_difference": self.differences.first_layer,
            "largest_difference": self.differences.largest,
            "output_std": self.differences.spread,
        }


def ship_graph(chosen: FoldOptions, normalization: Normalization) -> ShippedGraph:
    """Fold a normalization into an ONNX file's own graph and write that.

    Args:
        chosen: ``model`` is the file's path.
        normalization: What ``norm`` stands for.

    Returns:
        The folded graph and how it compares.

    Raises:
        NormscopeError: If an option is wrong, the file cannot be read, or no exact fold exists.
    """
    source = Path(chosen.model).expanduser()
    if chosen.weights not in {None, DEFAULT_WEIGHTS}:
        raise NormscopeError(
            f"--weights must be used with a model's name, got {source}, which brings its own. "
            "Leave it out."
        )
    if chosen.out.suffix != ".onnx":
        raise NormscopeError(
            f"--out must end in .onnx, since the graph of {source} is folded as it is, got "
            f"{chosen.out}. Choose another name."
        )
    check_no_input(chosen.out, source)
    model = read_graph(source)
    asked = channel_count(chosen.channels)
    raw_channels = 1 if chosen.to in {"uint8", "none"} else Normalization.parse(chosen.to).channels
    named = asked or max(normalization.channels, raw_channels)
    image = image_input(model, source, named if named > 1 or asked else None)
    channels = _channels(image, source, named if named > 1 or asked else None)
    size = _size(image, chosen.image_size)
    _check_bytes(image, normalization, channels, source)
    folded = fold_graph(
        model,
        image,
        normalization,
        to=chosen.to,
        channels=channels,
        size=size,
        residual=chosen.residual,
    )
    _check_once(folded, chosen.norm, source)
    _check_finite(folded, chosen.norm)
    compared = some_images(channels, size, folder=chosen.images)
    differences = compare_graphs(model, image, folded, compared)
    with replacing(chosen.out) as temporary:
        temporary.write_bytes(folded.model.SerializeToString())
        open_session(str(temporary))
    return ShippedGraph(folded, chosen.out, differences)


def _channels(image: GraphInput, source: Path, named: int | None) -> int:
    found = image.channels
    if named is not None and found is not None and named != found:
        raise NormscopeError(
            f"the normalization must have 1 or {found} channels to fit {source}, got {named}. "
            "Give one number for all, or one per channel."
        )
    return found or named or 3


def _size(image: GraphInput, asked: int | None) -> tuple[int, int]:
    if asked is not None and asked < 1:
        raise NormscopeError(
            f"--image-size must be at least 1 pixel, got {asked}. Give a larger number."
        )
    height, width = image.size
    return height or asked or SIDE, width or asked or SIDE


def _check_bytes(
    image: GraphInput, normalization: Normalization, channels: int, source: Path
) -> None:
    """Refuse a normalization in front of a file that takes bytes."""
    if image.dtype == np.uint8 and not _same(
        normalization.for_channels(channels), BYTES.for_channels(channels)
    ):
        raise NormscopeError(
            f"the graph already normalizes: {source} takes uint8 pixels, which --norm "
            f"{normalization} in front of it cannot give. To merge its own nodes into its first "
            f"layer, give --norm {BYTES}."
        )


def _check_once(folded: FoldedGraph, norm: str, source: Path) -> None:
    """Refuse the normalization that the graph does itself, in front of it."""
    own, given = folded.own, folded.normalization.for_channels(folded.channels)
    if own is None or not (own.factor > 0).all() or _identity(own):
        return
    mean, std = -own.offset / own.factor, 1 / own.factor
    for scale, first, pixels in ((1, "none", "[0, 1]"), (255, str(BYTES), "0..255")):
        if _same(Normalization((mean / scale).tolist(), (std / scale).tolist()), given):
            nodes = ", ".join(folded.merged)
            raise NormscopeError(
                f"the graph already normalizes: {source} applies {folded.normalization} itself to "
                f"pixels of {pixels} ({nodes}), so that --norm {norm} in front of it would do it "
                f"twice. Give what is applied before the file: --norm {first}."
            )


def _check_finite(folded: FoldedGraph, norm: str) -> None:
    from onnx import numpy_helper

    for tensor in folded.model.graph.initializer:
        if tensor.name.startswith("normscope_"):
            values = numpy_helper.to_array(tensor)
            if values.dtype.kind == "f" and not np.isfinite(values).all():
                raise NormscopeError(
                    f"--norm {norm} must leave numbers that {values.dtype} holds, got some that "
                    "are infinite once folded. Check the mean and the std."
                )


def _same(one: Normalization, other: Normalization) -> bool:
    mean, std, other_mean, other_std = map(np.array, (one.mean, one.std, other.mean, other.std))
    return bool(
        (np.abs(mean - other_mean) <= SAME * other_std).all()
        and (np.abs(std - other_std) <= SAME * other_std).all()
    )


def _identity(own: Affine) -> bool:
    return bool(np.allclose(own.factor, 1) and np.allclose(own.offset, 0))
