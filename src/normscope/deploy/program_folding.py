"""A normalization folded into a program's own weights, in place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from normscope.deploy.program_entry import BATCH_NORM

if TYPE_CHECKING:
    import numpy as np

    from normscope.deploy.affine import Affine
    from normscope.deploy.program_entry import ProgramEntry


@dataclass(frozen=True)
class InPlace:
    """What a fold has changed, and what it leaves to do in front.

    Attributes:
        subtracted: To be subtracted from each channel of the pixels, or None.
        because: Why the bias does not do that.
        added: What the bias has gained for each output, or None.
        changed: The weights that are other ones now.
    """

    changed: tuple[Tensor, ...]
    subtracted: np.ndarray | None = None
    because: str = ""
    added: np.ndarray | None = None


def fold_in_place(entry: ProgramEntry, affine: Affine, bias: Tensor | None) -> InPlace:
    """Let a program's first operation do a map of its pixels itself.

    Without a bias of its own, or where zeros are put around the pixels, the pixel that becomes
    zero is subtracted in front: one subtraction is less than the padding by each channel's own
    value that would take its place.

    Args:
        entry: The operation; its weights are changed.
        affine: The map of each of the image's channels.
        bias: What may be changed to add a number to each output; None for nothing.

    Returns:
        What was done, and what is still to be done in front.
    """
    here = affine.take(entry.features)
    if entry.kind == BATCH_NORM:
        assert entry.mean is not None
        _put(entry.weight, _wide(entry.weight) * here.factor)
        _put(entry.mean, (_wide(entry.mean) - here.offset) / here.factor)
        return InPlace((entry.weight, entry.mean))
    scaled, shift = here.into(_wide(entry.weight), entry.groups)
    _put(entry.weight, scaled)
    if not affine.offset.any():
        return InPlace((entry.weight,))
    if entry.zeros_around:
        return InPlace((entry.weight,), affine.zeros, "zeros are put around them")
    if bias is None:
        return InPlace((entry.weight,), affine.zeros, "that layer has no bias of its own")
    _put(bias, _wide(bias) + shift)
    return InPlace((entry.weight, bias), added=shift)


def _wide(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().double().numpy()


def _put(tensor: Tensor, values: np.ndarray) -> None:
    with torch.no_grad():
        tensor.copy_(torch.from_numpy(values))
