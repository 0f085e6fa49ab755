"""The network under audit: prepared images in, one answer an image out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from normscope.auditing.drift import BatchNormWatch, InputMoments, remembered
from normscope.auditing.reading import BATCH
from normscope.auditing.watched_network import WatchedNetwork
from normscope.machine.cores import images_together, usable_threads
from normscope.machine.memory import keep_freed_memory
from normscope.models.layout import FIRST, LAST, image_layout

if TYPE_CHECKING:
    from torch import Tensor, nn

    from normscope.auditing.value_map import ValueMap

NO_ANSWER = -1
"""In place of a class, where an output is not finite."""

MOST_AT_ONCE = 16
"""More threads would wait for each other at Python's lock, and each takes memory of its own."""

COMPARED = 4
"""Images by which a recorded network is compared with the plain one."""


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
        self._remembered = remembered(model)
        self._plain: Any = model.requires_grad_(False).to(self.device, self._dtype)
        self._watched: WatchedNetwork | None = None
        self._watch: BatchNormWatch | None = None
        self._layout: torch.memory_format | None = None
        self._at_once = 1

    @property
    def has_batchnorm(self) -> bool:
        """Whether any BatchNorm remembers statistics."""
        return bool(self._remembered)

    def prepare(self, pixels: Tensor, values: ValueMap) -> tuple[int, int]:
        """Choose the quickest way to run the network that gives its own answers.

        A network that torch.fx can record is run in as many threads at once as there are cores:
        two threads on a core each take 0.57 ms where one on both takes 0.81 (ResNet-20, an image
        of CIFAR's, AVX2).

        Args:
            pixels: Some images, as ``answers`` takes them.
            values: Likewise.

        Returns:
            How many threads may ask it at once, and how many of torch's own each of them uses.
        """
        inputs = self.inputs(pixels[:COMPARED], values)
        self._layout = self._laid_out(inputs[:1])
        threads = usable_threads()
        if self.device.type == "cpu":
            keep_freed_memory()
            self._watched = self._recorded(self._given(inputs))
        self._at_once = 1 if self._watched is None else min(threads, MOST_AT_ONCE)
        return self._at_once, threads // self._at_once

    def _recorded(self, images: Tensor) -> WatchedNetwork | None:
        # bf16 has too few digits for folding.
        for folds in (True, False) if self._dtype == torch.float32 else (False,):
            network = WatchedNetwork.of(self._plain, set(self._remembered), folds=folds)
            if network is not None and network.agrees(self._plain, images):
                return network
        return None

    def together(self, pixels: Tensor) -> int:
        """How many images to show it at a time for speed.

        Args:
            pixels: Images, shape ``(N, C, H, W)``.

        Returns:
            At least 1.
        """
        if self.device.type != "cpu":
            return BATCH
        height, width = pixels.shape[2:]
        return images_together(height, width, BATCH, self._at_once)

    def answers(self, pixels: Tensor, values: ValueMap, moments: InputMoments | None) -> np.ndarray:
        """What the network takes images for.

        Args:
            pixels: uint8 or float32 up to 255, on its device, shape ``(N, C, H, W)``, red first.
            values: What becomes of them first, in fp32.
            moments: Counts what the BatchNorms meet; None to leave that out.

        Returns:
            The class of each, shape ``(N,)``; -1 where an output is not finite.
        """
        return self._answers(self.inputs(pixels, values), moments)

    def answers_for(self, tensors: list[Tensor], moments: InputMoments | None) -> np.ndarray:
        """What the network takes prepared images for.

        Args:
            tensors: Floating point, each of shape ``(C, H, W)``, in the network's order of
                channels. Sizes may differ.
            moments: As for ``answers``.

        Returns:
            As for ``answers``.
        """
        one_size = len({tensor.shape for tensor in tensors}) == 1
        parts = [torch.stack(tensors)] if one_size else [tensor[None] for tensor in tensors]
        return np.concatenate([self._answers(part, moments) for part in parts])

    def _answers(self, inputs: Tensor, moments: InputMoments | None) -> np.ndarray:
        found = []
        if self._layout is None:  # before the BatchNorms are listened to
            self._layout = self._laid_out(inputs[:1])
        with torch.inference_mode():
            for part in inputs.split(self.together(inputs)):
                outputs = self._outputs(self._given(part), moments).float()
                finite = outputs.isfinite().all(dim=1)
                found.append(torch.where(finite, outputs.argmax(dim=1), NO_ANSWER))
        return torch.cat(found).cpu().numpy()

    def drift(self, moments: InputMoments) -> dict[str, float]:
        """How far what was counted lies from what the BatchNorms remember.

        Returns:
            A distance for each BatchNorm that was met, in their order.
        """
        return {name: self._remembered[name].distance(*moments.of(name)) for name in moments.layers}

    def _outputs(self, given: Tensor, moments: InputMoments | None) -> Tensor:
        if self._watched is not None:
            return self._watched(given, moments)
        if moments is None:
            return self._plain(given)
        if self._watch is None:
            self._watch = BatchNormWatch(self._plain, self._remembered)
        with self._watch.counting(moments):
            return self._plain(given)

    def inputs(self, pixels: Tensor, values: ValueMap) -> Tensor:
        """What the network is given for images: fp32, in its own order of channels.

        Args:
            pixels: As ``answers`` takes them.
            values: Likewise.

        Returns:
            The same shape.
        """
        inputs = values(pixels.to(torch.float32, copy=True).div_(255))
        return inputs.flip(1) if self._blue_first else inputs

    def _given(self, inputs: Tensor) -> Tensor:
        assert self._layout is not None
        return inputs.to(self.device, self._dtype).contiguous(memory_format=self._layout)

    def _laid_out(self, image: Tensor) -> torch.memory_format:
        self._plain.to(memory_format=LAST)
        layout = image_layout(self._plain, image.to(self.device, self._dtype))
        if layout == FIRST:
            self._plain.to(memory_format=FIRST)
        return layout
