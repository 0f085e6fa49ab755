"""Tests a network as it is: every normalization on the same images, without any training."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it

from normscope.images.tensors import on_device, per_channel, shared
from normscope.machine.cores import images_together, threads
from normscope.machine.device import wide_dtype
from normscope.machine.environment import describe_environment
from normscope.models.first_layer import describe_first_layer
from normscope.models.fused import fused
from normscope.normalization import NONE
from normscope.trials.network import build_network
from normscope.trials.result import TrialResult, finite_or_none, pack_bits
from normscope.trials.seeding import generators, torch_seeded
from normscope.trials.sequential import doublings, exact_interval, known_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor, nn

    from normscope.images.decoded import DecodedSource
    from normscope.trials.spec import TrialSpec

ORDER_SEED = 0
"""Draws the order in which images are tested where a test may stop early."""


class FrozenNetwork:
    """A network and its images, held for any number of normalizations.

    BatchNorms are folded into the convolutions before them, weights are kept in the trial's
    precision with channels last, and the images as bytes on the device. ``trainer`` chooses how it
    runs: ``"plain"`` as it was built, ``"fast"`` so prepared, ``"compiled"`` also compiled.

    Args:
        spec: Any trial of the network.
        source: Its images.
    """

    def __init__(self, spec: TrialSpec, source: DecodedSource) -> None:
        self.key = _without_normalization(spec)
        self.source = source
        self._spec = spec
        with torch_seeded(generators(spec.seed).initialization, spec.device):
            model, first_layer = build_network(spec, source)
        self.first_layer = describe_first_layer(first_layer)
        self._device = torch.device(spec.device)
        self._pixels = on_device(source.test.pixels, self._device)
        self._labels = shared(source.test.labels).to(self._device)
        self._run = self._prepared(model.eval().requires_grad_(False))

    def evaluate(self, spec: TrialSpec) -> TrialResult:
        """Test under one normalization.

        Returns:
            What it gave. Where it stopped early, ``test_images`` says after how many, in the order
            of ``order_of_images``.
        """
        start = time.perf_counter()
        right: list[Tensor] = []
        loss = torch.zeros((), dtype=wide_dtype(self._device), device=self._device)
        with threads(spec.threads), torch.inference_mode():
            for logits, labels in self._logits(spec):
                loss += F.cross_entropy(logits, labels, reduction="sum")
                right.append(logits.argmax(dim=1) == labels)
                if spec.half_width is not None and self._known(right, spec):
                    break
        correct = torch.cat(right).cpu().numpy()
        mean_loss = loss.item() / len(correct)
        layer = self.first_layer
        return TrialResult(
            accuracy=float(correct.mean()),
            loss=finite_or_none(mean_loss),
            diverged=not np.isfinite(mean_loss),
            seconds=time.perf_counter() - start,
            precision=spec.precision,
            device=spec.device,
            history=[],
            correct=pack_bits(correct),
            test_images=len(correct),
            first_layer={"initial": layer, "final": layer},
            environment=describe_environment(spec.device),
        )

    def _logits(self, spec: TrialSpec) -> Iterator[tuple[Tensor, Tensor]]:
        normalization = spec.normalization.for_channels(self._pixels.shape[1])
        mean, std = per_channel(normalization, torch.empty(0, device=self._device))
        images, size = len(self._pixels), self._batch_size(spec)
        order = None
        if spec.half_width is not None:
            order = torch.from_numpy(order_of_images(images)).to(self._device)
        for start in range(0, images, size):
            stop = min(start + size, images)
            chosen = slice(start, stop) if order is None else order[start:stop]
            pixels, labels = self._pixels[chosen], self._labels[chosen]
            # Every batch has one size, so that a compiled network is compiled once.
            missing = size - len(pixels)
            if missing and spec.trainer == "compiled":
                pixels = torch.cat([pixels, pixels[:1].expand(missing, -1, -1, -1)])
            yield self._run(pixels, mean, std)[: len(labels)], labels

    def _batch_size(self, spec: TrialSpec) -> int:
        most = spec.recipe.batch_size
        if spec.trainer == "plain" or self._device.type != "cpu":
            return most
        height, width = self._pixels.shape[2:]
        return images_together(height, width, most)

    def _known(self, right: list[Tensor], spec: TrialSpec) -> bool:
        assert spec.half_width is not None
        images = len(self._pixels)
        tested, correct = sum(map(len, right)), int(sum(int(r.sum()) for r in right))
        looks = doublings(-(-images // self._batch_size(spec)))
        if len(right) not in looks:
            return False
        interval = exact_interval(correct, tested, images, len(looks))
        return known_to(interval, correct / tested) <= spec.half_width

    def _prepared(self, model: nn.Module) -> Callable[..., Tensor]:
        scale = self.source.scale
        plain = self._spec.trainer == "plain"
        dtype = torch.bfloat16 if self._spec.precision == "bf16" else torch.float32
        layout = torch.contiguous_format if plain else torch.channels_last
        if not plain:
            model = fused(model)
        network: Any = model.to(self._device, dtype).to(memory_format=layout)  # pyright: ignore[reportCallIssue]

        def run(pixels: Tensor, mean: Tensor, std: Tensor) -> Tensor:
            shown = ((pixels.float() / scale - mean) / std).to(dtype)
            return network(shown.contiguous(memory_format=layout)).float()

        if self._spec.trainer != "compiled":
            return run
        # It says on standard error, before any answer of ours, that there is no GPU.
        logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
        return torch.compile(run, dynamic=False)


_held: list[FrozenNetwork] = []


def evaluate_frozen(spec: TrialSpec, source: DecodedSource) -> TrialResult:
    """Test a network under one normalization.

    The network is kept for the next call, since a study asks for many normalizations of one.

    Returns:
        What it gave.
    """
    key = _without_normalization(spec)
    if not _held or _held[0].key != key or _held[0].source is not source:
        _held.clear()
        _held.append(FrozenNetwork(spec, source))
    return _held[0].evaluate(spec)


def order_of_images(images: int) -> np.ndarray:
    """The order in which a test that may stop early takes the images.

    A random one, since folders come class by class; the same one for every trial, so that trials
    stay paired.

    Returns:
        Indices, shape ``(images,)``.
    """
    return np.random.default_rng(ORDER_SEED).permutation(images)


def _without_normalization(spec: TrialSpec) -> str:
    return replace(spec, normalization=NONE, half_width=None).key()
