"""Images as tensors, without a copy."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from torch import Tensor


def shared(array: np.ndarray) -> Tensor:
    """A tensor over an array's own memory.

    Args:
        array: Not to be written to.

    Returns:
        The same numbers, on the CPU.
    """
    # One channel may have any stride, and torch picks another convolution by it: laid out anew, so
    # that a result does not depend on where the array comes from.
    flat = np.ascontiguousarray(array).reshape(-1)
    with warnings.catch_warnings():
        # A file mapped for reading cannot be written to, and nothing here writes.
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(flat).view(array.shape)
