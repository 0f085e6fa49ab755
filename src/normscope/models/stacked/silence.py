"""Whether every feature of a LeNet is silent on given images, in as few products as it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it

if TYPE_CHECKING:
    from torch import Tensor

LARGEST_PIXEL = 255.0

COARSE = 2.0**-7
"""Of the sum of all terms' sizes: more than rounding in bf16 can move a bound by."""

FINE = 2.0**-23
"""The same for one addition of many in fp32."""


class Silence:
    """Looks for a feature above 0 among one model's convolutions.

    A channel behind the second convolution that stays under 0 for any bytes whatever is left out,
    and so is one behind the first that ReLU always silences. The bounds take each ReLU between two
    lines, so that both convolutions become one of 5 x 5 pixels (CROWN, Zhang et al., 2018,
    arXiv:1811.00866). The others are computed on the images, without pooling: it changes no sign.
    They must stay under 0 by more than the order of a sum's terms can matter.

    Args:
        weight1: As raw pixels meet it, shape ``(32, C, 3, 3)``, in the type of the training.
        bias1: Shape ``(32,)``.
        weight2: Shape ``(64, 32, 3, 3)``.
        bias2: Shape ``(64,)``.
    """

    def __init__(self, weight1: Tensor, bias1: Tensor, weight2: Tensor, bias2: Tensor) -> None:
        w1, b1, w2, b2 = (t.double() for t in (weight1, bias1, weight2, bias2))
        reach = b1.abs() + LARGEST_PIXEL * w1.abs().sum((1, 2, 3))
        high = b1 + LARGEST_PIXEL * w1.clamp(min=0).sum((1, 2, 3)) + COARSE * reach
        low = b1 + LARGEST_PIXEL * w1.clamp(max=0).sum((1, 2, 3)) - COARSE * reach
        awake = high > 0
        sizes = (w2.abs().sum((2, 3)) * torch.where(awake, reach, 0.0)).sum(1)
        never = _upper_bounds(w1, b1, w2, b2, low, high) + COARSE * sizes < 0
        self._margin = float((FINE * w2[0].numel() * sizes).max())
        self._first = weight1[awake], bias1[awake]
        self._second = weight2[~never][:, awake], bias2[~never]
        self._finite = bool(torch.isfinite(sizes).all())

    def holds(self, pixels: Tensor) -> bool:
        """Whether these images leave every feature silent.

        Args:
            pixels: Raw, shape ``(N, C, H, W)``, in the type of the weights.

        Returns:
            False where one may be above 0, or is too close to it to tell.
        """
        weight, bias = self._second
        if not self._finite:
            return False
        if not len(bias):
            return True
        if not weight.shape[1]:
            return bool((bias < 0).all())
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        hidden = F.conv2d(pixels, *self._first).relu_()
        return F.conv2d(hidden, weight, bias).amax().item() < -self._margin


def _upper_bounds(
    w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor, low: Tensor, high: Tensor
) -> Tensor:
    """What no bytes can lift the second convolution's channels above, but for rounding."""
    always, never = low >= 0, high <= 0
    slope = torch.where(always, 1.0, torch.where(never, 0.0, high / (high - low)))
    above = torch.where(always | never, 0.0, -low * slope)
    below = torch.where(always, 1.0, torch.where(never, 0.0, (high > -low).double()))
    each = (slice(None), None, None)
    lines = torch.where(w2 > 0, w2 * slope[each], w2 * below[each])
    kernel = F.conv_transpose2d(lines, w1)
    constant = b2 + (lines * b1[each] + w2.clamp(min=0) * above[each]).sum((1, 2, 3))
    return constant + LARGEST_PIXEL * kernel.clamp(min=0).sum((1, 2, 3))
