"""From an ONNX file to a checked one that takes raw pixels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from normscope.deploy.comparing import some_images
from normscope.deploy.differences import not_held
from normscope.deploy.given_file import (
    channels_of,
    check_once,
    check_places,
    named_channels,
    same,
    size_of,
)
from normscope.deploy.onnx_comparing import compare_graphs, open_session
from normscope.deploy.onnx_folding import FoldedGraph, fold_graph
from normscope.deploy.onnx_input import image_input
from normscope.deploy.saving import describe
from normscope.errors import NormscopeError
from normscope.models.files.naming import ONNX
from normscope.models.files.onnx_file import read_graph
from normscope.normalization import BYTES, Normalization
from normscope.writing import replacing

if TYPE_CHECKING:
    from normscope.deploy.differences import Differences
    from normscope.deploy.onnx_input import GraphInput
    from normscope.deploy.options import FoldOptions


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
            f"{met.largest:.2g} in onnxruntime, where outputs have a std of {met.spread:.3g}"
            f"{met.at_first_layer}."
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
            **self.differences.to_json(),
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
    check_places(chosen, source, (ONNX,), "graph")
    model = read_graph(source)
    named = named_channels(chosen, normalization)
    image = image_input(model, source, named)
    channels = channels_of(image.channels, source, named) or 3
    size = size_of(image.size, chosen.image_size)
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
    own = folded.own if folded.merged else None
    check_once(own, folded.merged, normalization, chosen.norm, source)
    _check_finite(folded, chosen.norm)
    compared = some_images(channels, size, chosen.images)
    differences = compare_graphs(model, image, folded, compared)
    with replacing(chosen.out) as temporary:
        temporary.write_bytes(folded.model.SerializeToString())
        open_session(str(temporary))
    return ShippedGraph(folded, chosen.out, differences)


def _check_bytes(
    image: GraphInput, normalization: Normalization, channels: int, source: Path
) -> None:
    """Refuse a normalization in front of a file that takes bytes."""
    if image.dtype == np.uint8 and not same(
        normalization.for_channels(channels), BYTES.for_channels(channels)
    ):
        raise NormscopeError(
            f"the graph already normalizes: {source} takes uint8 pixels, which --norm "
            f"{normalization} in front of it cannot give. To merge its own nodes into its first "
            f"layer, give --norm {BYTES}."
        )


def _check_finite(folded: FoldedGraph, norm: str) -> None:
    from onnx import numpy_helper

    for tensor in folded.model.graph.initializer:
        if tensor.name.startswith("normscope_"):
            values = numpy_helper.to_array(tensor)
            if values.dtype.kind == "f" and not np.isfinite(values).all():
                raise NormscopeError(not_held(norm, str(values.dtype)))
