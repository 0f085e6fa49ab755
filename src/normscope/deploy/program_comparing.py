"""Does a folded program give the same outputs? Asked of the program itself, before and after."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from normscope.deploy.before import Fold
from normscope.deploy.comparing import as_taken
from normscope.deploy.differences import ROUNDING, Differences, largest_and_spread, not_held
from normscope.deploy.program_entry import LINEAR, find_program_entry
from normscope.deploy.program_watching import Tap
from normscope.errors import NormscopeError, WorkFailed
from normscope.images.tensors import normalized

if TYPE_CHECKING:
    import numpy as np

    from normscope.deploy.affine import Affine
    from normscope.deploy.program_entry import ProgramEntry
    from normscope.deploy.program_folding import InPlace
    from normscope.models.files.program_network import ProgramNetwork


@dataclass(frozen=True, kw_only=True, repr=False)
class FoldedProgram(Fold):
    """A program that takes raw pixels.

    Attributes:
        subtracted: What it subtracts from each channel in front of its first layer, or None.
        because: Why its bias does not do that.
        own: What the layer in front did to its input, now merged with the normalization, or None.
    """

    subtracted: np.ndarray | None
    because: str
    own: Affine | None


class Comparison:
    """A program on normalized images, and what was folded on raw ones.

    Args:
        original: As it was.
        folded: Says what the new one takes.
        images: uint8, shape ``(N, C, H, W)``.
        dtype: The least precise type that both compute in.
    """

    def __init__(
        self,
        original: ProgramNetwork,
        folded: FoldedProgram,
        images: Tensor,
        dtype: torch.dtype,
    ) -> None:
        self.original = original
        self.folded = folded
        self.normalized = normalized(images.double() / 255, folded.normalization)
        self.raw = as_taken(folded, images, torch.float64)
        self.expected = _run(original, self.normalized)
        self.dtype = str(dtype).removeprefix("torch.")

    def first_layer(self, entry: ProgramEntry, done: InPlace, raw: ProgramNetwork) -> float:
        """The largest difference at the first layer, in units of the spread of what it gives.

        Args:
            entry: The folded network's first operation.
            done: What was done to it.
            raw: The folded network.

        Returns:
            The difference.
        """
        folded = self.folded
        before = find_program_entry(self.original, folded.channels, folded.image_size)
        expected = _tapped(self.original, before.weight, self.normalized)
        found = _tapped(raw, entry.weight, self.raw)
        if entry.bias is None and done.added is not None:  # it is added behind
            added = torch.from_numpy(done.added)
            axes = 0 if entry.kind == LINEAR else found.ndim - 2
            found = found + added.reshape(-1, *[1] * axes)
        difference, spread = largest_and_spread(expected.numpy(), found.numpy())
        return difference / spread if spread else difference

    def check(self, raw: ProgramNetwork, norm: str, first_layer: float | None) -> None:
        """Refuse a folded network whose outputs are others than rounding can explain.

        Args:
            raw: The network.
            norm: How the normalization was written.
            first_layer: What ``first_layer`` found.

        Raises:
            NormscopeError: If numbers are too large for their type.
            WorkFailed: If the outputs differ.
        """
        self.found = _run(raw, self.raw)
        differences = self._differences(self.found, first_layer)
        if not math.isfinite(differences.largest):
            raise NormscopeError(not_held(norm, self.dtype))
        differences.check(self.dtype, "program")

    def check_file(self, read_back: ProgramNetwork, first_layer: float | None) -> Differences:
        """Refuse a file whose program gives other outputs than what was written.

        Args:
            read_back: The program in the file.
            first_layer: What ``first_layer`` found before.

        Returns:
            The differences from the original.

        Raises:
            WorkFailed: If the outputs differ.
        """
        found = _run(read_back, self.raw)
        differences = self._differences(found, first_layer)
        changed = float((found - self.found).abs().max())
        allowed = ROUNDING[self.dtype] * max(1.0, differences.spread)
        if not changed <= allowed:
            raise WorkFailed(
                "the file must give the outputs of what was written into it, got a difference of "
                f"{changed:.3g} where rounding explains {allowed:.3g}. Nothing was written; fold "
                "the network that it was exported from."
            )
        return differences

    def _differences(self, found: Tensor, first_layer: float | None) -> Differences:
        largest, spread = largest_and_spread(self.expected.numpy(), found.numpy())
        return Differences(first_layer, largest, spread)


def _run(network: ProgramNetwork, images: Tensor) -> Tensor:
    with torch.no_grad():
        return network(images)


def _tapped(network: ProgramNetwork, weight: Tensor, images: Tensor) -> Tensor:
    with torch.no_grad(), Tap(weight) as tap:
        network(images)
    return torch.cat(tap.found).double()
