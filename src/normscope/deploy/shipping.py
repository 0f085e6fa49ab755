"""From a model's name and its weights to a checked file that takes raw pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from normscope.deploy.comparing import check_exact, largest_difference, some_images
from normscope.deploy.differences import not_held
from normscope.deploy.folding import fold
from normscope.deploy.given_file import SIDE
from normscope.deploy.processor_comparing import check_with_processor
from normscope.deploy.saving import Built, check_folder, check_suffix, describe, save_folded
from normscope.errors import NormscopeError
from normscope.images.size import check_length
from normscope.models.building import published
from normscope.models.copying import copied
from normscope.models.expected import check_of_unit, stated_normalization, takes_blue_first
from normscope.models.files.naming import ONNX, names_program
from normscope.models.outputs import only_tensor
from normscope.models.trained import build_trained, channel_count
from normscope.normalization import Normalization
from normscope.writing import check_no_input

if TYPE_CHECKING:
    from normscope.deploy.folding import Folded
    from normscope.deploy.onnx_shipping import ShippedGraph
    from normscope.deploy.options import FoldOptions
    from normscope.deploy.program_shipping import ShippedProgram

SIDES = {"lenet": 28, "lenet-bn": 28, "resnet20": 32}


@dataclass(frozen=True)
class Shipped:
    """What came of folding.

    Attributes:
        folded: The model and what was done to it.
        out: The file.
        float64_difference: The largest difference of an output when all is float64.
        largest_difference: The largest difference between the file as read back and the original.
        spread: Standard deviation of the original's outputs, to see the differences beside.
        notes: What the user should know besides.
    """

    folded: Folded
    out: Path
    float64_difference: float
    largest_difference: float
    spread: float
    notes: tuple[str, ...] = ()

    @property
    def compared(self) -> str:
        """How large the largest difference in an output is, where."""
        return (
            f"{self.largest_difference:.2g} as read back from the file, "
            f"{self.float64_difference:.2g} in float64; outputs have a std of {self.spread:.3g}."
        )

    def to_json(self) -> dict[str, Any]:
        """What ``--json`` holds."""
        return {
            "out": str(self.out),
            **describe(self.folded),
            "layers": self.folded.changes,
            "float64_difference": self.float64_difference,
            "largest_difference": self.largest_difference,
            "output_std": self.spread,
        }


def ship(chosen: FoldOptions) -> Shipped | ShippedGraph | ShippedProgram:
    """Fold a model's normalization and write it as a file.

    Returns:
        The folded model and how it compares.

    Raises:
        NormscopeError: If an option is wrong, or no exact fold exists.
        WorkFailed: If the outputs differ.
    """
    asked_channels = channel_count(chosen.channels)
    name, path, norm, weights = chosen.model, chosen.out, chosen.norm, chosen.weights
    image_size = chosen.image_size
    if names_program(name):
        check_folder(path)
        if name.lower().endswith(ONNX):
            check_suffix(path)
            from normscope.deploy.onnx_shipping import ship_graph

            return ship_graph(chosen, _normalization(name, norm, chosen.to))
        from normscope.deploy.program_shipping import ship_program

        return ship_program(chosen, _normalization(name, norm, chosen.to))
    check_suffix(path)
    check_no_input(path, None if weights is None else Path(weights))
    normalization = _normalization(name, norm, chosen.to)
    check_length("--image-size", image_size)
    side = image_size or SIDES.get(name) or _published_side(name)
    model, count = build_trained(
        name,
        weights,
        normalized_channels=normalization.channels,
        channels=asked_channels,
        image_size=(side, side),
    )
    compared = some_images(count, (side, side), chosen.images)
    options = {
        "to": chosen.to,
        "residual": chosen.residual,
        "channels": count,
        "image_size": side,
    }
    exact = check_exact(model, fold(copied(model).double(), normalization, **options), compared)
    folded = fold(model, normalization, **options)
    if not math.isfinite(largest_difference(model, folded, folded.model, compared)[0]):
        raise NormscopeError(not_held(norm, "float32"))
    agreed = check_with_processor(name, model, folded, compared) if norm == "model" else None
    output = only_tensor(folded.model(compared[:1]), name)
    built = Built(name, int(output.shape[-1]))
    run = save_folded(folded, path, built)
    difference, spread = largest_difference(model, folded, run, compared)
    notes = () if agreed is None else (agreed,)
    return Shipped(folded, path, exact, difference, spread, notes)


def _normalization(name: str, norm: str, to: str) -> Normalization:
    if norm != "model":
        given = Normalization.parse(norm)
        return check_of_unit(given) if to == "uint8" else given
    expected = stated_normalization(name)
    return expected.reversed() if takes_blue_first(name) else expected


def _published_side(name: str) -> int:
    said = published(name)
    return said.crop if said and said.crop else SIDE
