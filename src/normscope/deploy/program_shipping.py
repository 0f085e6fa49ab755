"""From a program's file to a checked one of the same kind that takes raw pixels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from normscope.deploy.before import Before
from normscope.deploy.comparing import some_images
from normscope.deploy.differences import not_held
from normscope.deploy.given_file import (
    channels_of,
    check_once,
    check_places,
    named_channels,
    size_of,
)
from normscope.deploy.keras_kind import KerasKind
from normscope.deploy.program_comparing import Comparison, FoldedProgram
from normscope.deploy.program_entry import find_program_entry
from normscope.deploy.program_folding import InPlace, fold_in_place
from normscope.deploy.refusals import NoExactFold
from normscope.deploy.saving import describe
from normscope.deploy.torch_kinds import ExportedKind, ScriptKind
from normscope.errors import NormscopeError
from normscope.models.files import archive
from normscope.models.files.opening import kind_of_program
from normscope.models.files.program_network import ProgramNetwork
from normscope.models.first_layer import channels_taken
from normscope.writing import replacing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from normscope.deploy.affine import Affine
    from normscope.deploy.differences import Differences
    from normscope.deploy.options import FoldOptions
    from normscope.deploy.program_entry import ProgramEntry
    from normscope.deploy.program_kind import OwnLayer, ProgramKind
    from normscope.normalization import Normalization


KINDS: dict[str, type[ProgramKind]] = {
    archive.PROGRAM: ExportedKind, archive.SCRIPT: ScriptKind, archive.KERAS: KerasKind,
}  # fmt: skip


@dataclass(frozen=True)
class ShippedProgram:
    """What came of folding a program's file.

    Attributes:
        folded: What was done to it.
        out: The file.
        differences: Between it, as read back, and the original.
    """

    folded: FoldedProgram
    out: Path
    differences: Differences

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of the file that was written."""
        folded = self.folded
        (layer,) = folded.changes
        if folded.own is not None:
            return (f"{layer} computed {folded.own} of its input, and does both now.",)
        if folded.subtracted is None:
            return ()
        values = ", ".join(f"{value + 0:.6g}" for value in folded.subtracted.tolist())
        said = (
            f"In front of {layer or 'its first layer'} it subtracts {values} from the channels, "
            f"since {folded.because}."
        )
        return (said,)

    @property
    def compared(self) -> str:
        """How large the largest difference in an output is, where."""
        met = self.differences
        return (
            f"{met.largest:.2g} as read back from the file, where outputs have a std of "
            f"{met.spread:.3g}{met.at_first_layer}."
        )

    def to_json(self) -> dict[str, Any]:
        """What ``--json`` holds."""
        own, subtracted = self.folded.own, self.folded.subtracted
        return {
            "out": str(self.out),
            **describe(self.folded),
            "layers": self.folded.changes,
            "subtracted": None if subtracted is None else subtracted.tolist(),
            "own_factor": None if own is None else own.factor.tolist(),
            "own_offset": None if own is None else own.offset.tolist(),
            **self.differences.to_json(),
        }


def ship_program(chosen: FoldOptions, normalization: Normalization) -> ShippedProgram:
    """Fold a normalization into a program's own weights and write it as the same kind of file.

    Args:
        chosen: ``model`` is the path of a ``.pt2``, TorchScript or ``.keras`` file.
        normalization: What ``norm`` stands for.

    Returns:
        What was done and how it compares.

    Raises:
        NormscopeError: If an option is wrong, the file cannot be read, or no exact fold exists.
    """
    source = Path(chosen.model).expanduser()
    kind_of_file = KINDS[kind_of_program(chosen.model)]
    check_places(chosen, source, kind_of_file.suffixes, "program")
    named = named_channels(chosen, normalization)
    kind = kind_of_file(source)
    given = kind.network.input
    size = size_of(given.size, chosen.image_size, kind.usual_side())
    known = channels_of(given.channels, source, named)
    own = kind.own_layer(known or 3)
    if own is None:
        channels, entry = _entry(kind.network, _possible(kind.network, known), size)
    else:
        channels, entry = known or 3, None
    before = Before.of(normalization, chosen.to, channels, residual=chosen.residual)
    if own is not None:
        nodes = (f"{own.kind} '{own.name}'",)
        check_once(own.affine, nodes, normalization, chosen.norm, source)
    name, layer, done = _change(kind, entry, own, before.affine)
    _check_finite(done, chosen.norm, kind.network.dtype)
    whole = before.takes == "uint8" and before.scale == 1
    raw = kind.raw(done.subtracted, torch.uint8 if whole else kind.network.dtype)
    folded = FoldedProgram(
        normalization=normalization, takes=before.takes, scale=before.scale,
        changes={name: {"kind": layer}}, channels=channels, image_size=size,
        subtracted=done.subtracted, because=done.because,
        own=None if own is None else own.affine,
    )  # fmt: skip
    images = some_images(channels, size, chosen.images)
    types = [kind.network.dtype, *([] if entry is None else [entry.dtype])]
    least = min(types, key=lambda dtype: dtype.itemsize)
    comparison = Comparison(kind.read(), folded, images, least)
    first = None if entry is None else comparison.first_layer(entry, done, raw)
    comparison.check(raw, chosen.norm, first)
    with replacing(chosen.out) as temporary:
        kind.write(raw, images[:1], temporary)
        program = ProgramNetwork(kind.read_back(temporary), chosen.out, raw.input, raw.dtype)
        differences = comparison.check_file(program, first)
    return ShippedProgram(folded, chosen.out, differences)


def _possible(network: ProgramNetwork, known: int | None) -> list[int]:
    taken = channels_taken(network)
    return [known] if known else [3, 1, *([taken] if taken and taken not in {1, 3} else [])]


def _entry(
    network: ProgramNetwork, counts: Sequence[int], size: tuple[int, int]
) -> tuple[int, ProgramEntry]:
    """The channels of the images, the first of these numbers that fits, and the operation."""
    refused: NormscopeError | None = None
    for count in counts:
        try:
            return count, find_program_entry(network, count, size)
        except NoExactFold:
            raise
        except NormscopeError as error:
            refused = refused or error
    assert refused is not None
    raise refused


def _change(
    kind: ProgramKind, entry: ProgramEntry | None, own: OwnLayer | None, affine: Affine
) -> tuple[str, str, InPlace]:
    """Change the network; the name of the layer, its kind and what was done."""
    if entry is not None:
        done = fold_in_place(entry, affine, kind.bias_of(entry))
        return kind.name_of(entry.weight), entry.kind, done
    assert own is not None
    own.set_affine(affine.then(own.affine))
    return own.name, own.kind, InPlace(())


def _check_finite(done: InPlace, norm: str, dtype: torch.dtype) -> None:
    held = list(done.changed)
    if done.subtracted is not None:
        held.append(torch.from_numpy(done.subtracted).to(dtype))
    for tensor in held:
        if not torch.isfinite(tensor).all():
            raise NormscopeError(not_held(norm, str(tensor.dtype).removeprefix("torch.")))
