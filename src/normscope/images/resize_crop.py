"""Resizing that leaves out what the crop behind it would cut away, to the same bits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def resize_and_crop(pixels: Tensor, resize: int, crop: int) -> Tensor | None:
    """What torchvision's ``resize`` and ``center_crop`` give, without the rows and columns behind.

    A separable kernel weighs each row and column by its place and by the ratio of the sizes alone,
    so the first ones are the same however many follow. Those before the crop have to be computed,
    as the kernel knows no offset.

    Args:
        pixels: uint8, shape ``(N, C, H, W)``.
        resize: Length of the shorter side in pixels.
        crop: Side of the square around the centre that is kept.

    Returns:
        Shape ``(N, C, crop, crop)``; None where the bits would differ, or nothing is spared.
    """
    import torch

    if not keeps_bytes():
        return None
    height, width = pixels.shape[-2:]
    long = int(resize * max(height, width) / min(height, width))
    factors, starts = [], []
    for side in (height, width):
        to = resize if side == min(height, width) else long
        start = round((to - crop) / 2)
        factor = exact_factor(side, to)
        # A kernel that finds a side unchanged in length takes it for unchanged.
        if to < crop or factor is None or side in {to, start + crop}:
            return None
        factors.append(factor)
        starts.append(start)
    top, left = starts
    if (top + crop, left + crop) == (1, 1):
        return None  # torch's kernel for interleaved bytes fails an assertion of its own
    if len(pixels) == 1 and pixels.is_contiguous(memory_format=torch.channels_last):
        # The batch's stride tells the kernel that channels lie innermost in what it returns, too;
        # it would be copied otherwise (pytorch#68430).
        strides = (pixels.numel(), *pixels.stride()[1:])
        pixels = pixels.as_strided(pixels.shape, strides)
    size = [top + crop, left + crop]
    resized = torch.ops.aten._upsample_bilinear2d_aa(pixels, size, False, *factors)
    return resized[..., top:, left:]


def keeps_bytes() -> bool:
    """Whether torchvision resizes bytes as bytes on this processor; elsewhere it makes floats."""
    import torch

    return torch.backends.cpu.get_cpu_capability().startswith("AVX")


def exact_factor(before: int, after: int) -> float | None:
    """The factor whose reciprocal is the ratio that a kernel computes from two lengths.

    Args:
        before: Length in pixels.
        after: The new length.

    Returns:
        A float within one step of ``after / before``; None where there is none.

    Example:
        >>> 1 / exact_factor(500, 341) == 500 / 341
        True
    """
    near = after / before
    candidates = (near, math.nextafter(near, 0), math.nextafter(near, math.inf))
    return next((factor for factor in candidates if 1 / factor == before / after), None)
