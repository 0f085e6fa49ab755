"""One step of Adadelta in one kernel: seven numbers of memory traffic a weight, not some twenty."""

# A kernel is launched with other arguments than its function names.
# pyright: reportCallIssue=false, reportArgumentType=false, reportIndexIssue=false, reportGeneralTypeIssues=false

from __future__ import annotations

from typing import TYPE_CHECKING

import triton
import triton.language as tl

from normscope.trials.fast.optimizers import DECAY, EPSILON

if TYPE_CHECKING:
    from torch import Tensor

BLOCK = 1024


def adadelta_step(
    rows: Tensor, gradients: Tensor, squares: Tensor, deltas: Tensor, rates: Tensor
) -> None:
    """Move all rows, in place.

    Args:
        rows: Weights, shape ``(models, length)``, contiguous.
        gradients: Likewise.
        squares: Running mean of squared gradients with ``EPSILON`` added, likewise.
        deltas: Running mean of squared changes with ``EPSILON`` added, likewise.
        rates: One a row.
    """
    models, length = rows.shape
    _step[(triton.cdiv(length, BLOCK), models)](
        rows, gradients, squares, deltas, rates, length, DECAY, EPSILON, BLOCK
    )


@triton.jit
def _step(
    rows, gradients, squares, deltas, rates, length, decay: tl.constexpr, epsilon: tl.constexpr,
    block: tl.constexpr,
):  # fmt: skip
    model = tl.program_id(1).to(tl.int64)
    offsets = tl.program_id(0) * block + tl.arange(0, block)
    inside = offsets < length
    at = model * length + offsets
    g = tl.load(gradients + at, mask=inside)
    square = tl.load(squares + at, mask=inside, other=1.0)
    delta = tl.load(deltas + at, mask=inside, other=1.0)
    square = decay * square + (1 - decay) * (g * g + epsilon)
    change = tl.sqrt(delta / square) * g
    p = tl.load(rows + at, mask=inside)
    tl.store(rows + at, p - tl.load(rates + model) * change, mask=inside)
    tl.store(squares + at, square, mask=inside)
    tl.store(deltas + at, decay * delta + (1 - decay) * (change * change + epsilon), mask=inside)
