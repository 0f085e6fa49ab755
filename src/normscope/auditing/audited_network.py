"""The network under audit: prepared images in, one answer an image out."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch

from normscope.auditing.drift import BatchNormWatch, InputMoments
from normscope.auditing.reading import BATCH
from normscope.machine.cores import images_together
from normscope.models.layout import FIRST, LAST, image_layout

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from normscope.auditing.value_map import ValueMap

NO_ANSWER = -1
"""In place of a class, where an output is not finite."""


class AuditedNetwork:
    """A network on its device, whose BatchNorms' inputs are measured.

    Args:
        model: In evaluation mode.
        device: ``"cpu"``, ``"cuda"`` or ``"mps"``.
        precision: ``"fp32"`` or ``"bf16"``.
        blue_first: Whether it takes blue, green, red.
    """

    def __init__(
        self, model: nn.Module, device: str, precision: str, *, blue_first: bool = False
    ) -> None:
        self._blue_first = blue_first
        self.device = torch.device(device)
        self._dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        # What BatchNorms remember is read before it is rounded.
        self.watch = BatchNormWatch(model)
        self._network = model.requires_grad_(False).to(self.device, self._dtype)
        self._layout: torch.memory_format | None = None

    @property
    def has_batchnorm(self) -> bool:
        """Whether any BatchNorm remembers statistics."""
        return bool(self.watch.remembered)

    def answers(self, pixels: Tensor, values: ValueMap, moments: InputMoments | None) -> np.ndarray:
        """What the network takes images for.

        Args:
            pixels: uint8 on its device, shape ``(N, C, H, W)``, red first.
            values: What becomes of them first, in fp32.
            moments: Counts what the BatchNorms meet; None to leave that out.

        Returns:
            The class of each, shape ``(N,)``; -1 where an output is not finite.
        """
        given = values(pixels.float().div_(255))
        return self.answers_for(given.flip(1) if self._blue_first else given, moments)

    def answers_for(self, inputs: Tensor, moments: InputMoments | None) -> np.ndarray:
        """What the network takes prepared images for.

        Args:
            inputs: Floating point, shape ``(N, C, H, W)``, in the network's order of channels.
            moments: As for ``answers``.

        Returns:
            As for ``answers``.
        """
        found = []
        if self._layout is None:  # before the BatchNorms are listened to
            self._layout = self._laid_out(inputs[:1])
        listening = nullcontext() if moments is None else self.watch.counting(moments)
        with torch.inference_mode(), listening:
            for part in inputs.split(self._together(inputs)):
                given = part.to(self.device, self._dtype).contiguous(memory_format=self._layout)
                outputs = self._network(given).float()
                finite = outputs.isfinite().all(dim=1)
                found.append(torch.where(finite, outputs.argmax(dim=1), NO_ANSWER))
        return torch.cat(found).cpu().numpy()

    def _laid_out(self, image: Tensor) -> torch.memory_format:
        network: Any = self._network
        network.to(memory_format=LAST)
        layout = image_layout(network, image.to(self.device, self._dtype))
        if layout == FIRST:
            network.to(memory_format=FIRST)
        return layout

    def _together(self, inputs: Tensor) -> int:
        if self.device.type != "cpu":
            return BATCH
        height, width = inputs.shape[2:]
        return images_together(height, width, BATCH)
