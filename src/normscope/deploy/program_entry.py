"""The one operation through which the pixels enter a program that has no layers to reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from normscope.deploy.entry import features_of
from normscope.deploy.program_watching import ProgramWatch
from normscope.deploy.refusals import NoExactFold, not_taken
from normscope.deploy.watching import storage_of
from normscope.errors import NormscopeError
from normscope.models.files.program_network import reason_of

if TYPE_CHECKING:
    from normscope.deploy.program_watching import Operation
    from normscope.models.files.program_network import ProgramNetwork

CONVOLUTION, LINEAR, BATCH_NORM = "Convolution", "Linear", "BatchNorm"
KINDS = {
    "_convolution": CONVOLUTION, "convolution": CONVOLUTION,
    "addmm": LINEAR, "mm": LINEAR,
    "_native_batch_norm_legit_no_training": BATCH_NORM, "native_batch_norm": BATCH_NORM,
}  # fmt: skip


@dataclass(frozen=True)
class ProgramEntry:
    """What the pixels meet first.

    Attributes:
        kind: One of the above.
        weight: The program's own memory, as ``(K, C / groups, ...)``; ``(C,)`` of a BatchNorm.
        bias: Likewise, ``(K,)``; None where the operation has none that it alone reads.
        mean: The running mean of a BatchNorm.
        features: For each of its input channels (or features), the image's channel it comes from.
        groups: Parts of the inputs that different outputs read.
        dtype: What it computes in.
        zeros_around: Whether zeros are put around the pixels, by it or before.
    """

    kind: str
    weight: Tensor
    bias: Tensor | None
    mean: Tensor | None
    features: tuple[int, ...]
    groups: int
    dtype: torch.dtype
    zeros_around: bool


def find_program_entry(
    network: ProgramNetwork, channels: int, size: tuple[int, int]
) -> ProgramEntry:
    """The operation through which every pixel enters a program.

    It is run twice: weights that lie elsewhere the second time are computed while it runs.

    Args:
        network: The program.
        channels: Channels of the images.
        size: Height and width in pixels.

    Returns:
        The operation, with the weights that may be changed in place.

    Raises:
        NormscopeError: If the program does not run on such images.
        NoExactFold: If anything but one convolution, matrix product or BatchNorm reads the pixels,
            or its weights cannot be changed.
    """
    numbers = torch.arange(1, channels + 1, dtype=network.dtype).reshape(1, -1, 1, 1)
    image = numbers.expand(network.input.batch or 2, -1, *size).contiguous()
    try:
        with torch.no_grad():
            network.program(network.input.arranged(image))  # unwatched, its errors say more
            first, second = (_watched(network, image) for _ in range(2))
    except Exception as error:  # noqa: BLE001 - whatever a stranger's program raises
        raise NormscopeError(not_taken(image, reason_of(error))) from None
    before, operation = _only_operation(first), _only_operation(second)
    kind = KINDS[operation.name]
    linear = kind == LINEAR
    at = 1 if operation.name == "addmm" else 0
    given, weight = operation.given[at], second.kept(operation.given[at + 1])
    if not second.holds_image(given) or sum(map(second.holds_image, operation.given)) > 1:
        raise NoExactFold(f"the network multiplies by the pixels in '{operation.name}'")
    if operation.given[at + 1] is None:
        raise NoExactFold("its first layer is a BatchNorm without weights")
    if weight is None or not _same_memory(weight, first.kept(before.given[at + 1])):
        raise NoExactFold("the weights of its first layer are computed while it runs, or shared")
    bias = None
    if operation.name != "mm":
        place = 0 if linear else 2
        bias = second.kept(operation.given[place])
        if not _same_memory(bias, first.kept(before.given[place])):
            bias = None
    mean = second.kept(operation.given[3]) if kind == BATCH_NORM else None
    if kind == BATCH_NORM and (mean is None or operation.given[5:-2] == (True,)):
        raise NoExactFold("its first layer is a BatchNorm without running statistics of its own")
    convolves = kind == CONVOLUTION
    if convolves and operation.given[6]:
        raise NoExactFold("a transposed convolution reads them")
    return ProgramEntry(
        kind=kind,
        weight=(weight.t() if linear else weight).detach(),
        bias=None if bias is None else bias.detach(),
        mean=None if mean is None else mean.detach(),
        features=features_of(given, -1 if linear else 1, channels),
        groups=int(operation.given[8]) if convolves else 1,
        dtype=given.dtype,
        zeros_around=second.zeros_around or (convolves and any(operation.given[4])),
    )


def _watched(network: ProgramNetwork, image: Tensor) -> ProgramWatch:
    watch = ProgramWatch(network.input.arranged(image))
    with watch:
        network.program(watch.copies[0])
    return watch


def _only_operation(watch: ProgramWatch) -> Operation:
    found = watch.operations
    foreign = [operation.name for operation in found if operation.name not in KINDS]
    if foreign:
        raise NoExactFold(f"the network computes with the pixels by '{foreign[0]}'")
    if not found:
        raise NoExactFold("no layer reads the pixels")
    if len(found) > 1:
        names = ", ".join(operation.name for operation in found)
        raise NoExactFold(f"{len(found)} operations do, where a file may have one ({names})")
    (operation,) = found
    if any(value != 1 for value in operation.more.values()):
        raise NoExactFold(f"'{operation.name}' does more than multiply and add")
    return operation


def _same_memory(one: Tensor | None, other: Tensor | None) -> bool:
    return one is not None and other is not None and storage_of(one) == storage_of(other)
