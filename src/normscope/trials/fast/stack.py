"""A stack of LeNets that learns: one model on a CPU, as many as fit on a GPU."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch

from normscope.images.tensors import resident, shared
from normscope.machine.cores import images_together
from normscope.models.first_layer import describe_first_layer, scale_first_layer
from normscope.models.lenet import LeNet
from normscope.models.stacked.fold import Fold
from normscope.models.stacked.lenet import KEPT1, KEPT2, Masks, StackedLeNet
from normscope.models.stacked.trunks import open_trunk
from normscope.trials.course import Evaluation
from normscope.trials.death import Watch
from normscope.trials.fast.device_optimizers import open_optimizer
from normscope.trials.fast.memory import COMPUTE, EVALUATION_BATCH
from normscope.trials.seeding import torch_seeded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy as np
    from torch import Tensor

    from normscope.images.decoded import DecodedSource, LabelledImages
    from normscope.trials.fast.learner import Numbers
    from normscope.trials.fast.stack_plan import StackPlan
    from normscope.trials.seeding import Generators
    from normscope.trials.spec import TrialSpec

PROOF_BATCH = (EVALUATION_BATCH // 4, 32 * EVALUATION_BATCH)
"""Images that one model is asked about at a time, on a CPU and on a GPU, which waits each time."""

HIDDEN = 128
"""Units behind LeNet's first linear layer."""

WORD = 8
LOWEST = -(2**63)


class StackLearner:
    """LeNets of one seed and one recipe, each with its own normalization and scale.

    Args:
        specs: The trials, equal but for normalization and initialization scale.
        source: Their images.
        seeds: Their seed's streams.
        plan: How their steps are computed.

    Attributes:
        models: How many.
        images: How many images they train on.
        initial: Their first layers as they were initialized.
    """

    def __init__(
        self, specs: Sequence[TrialSpec], source: DecodedSource, seeds: Generators, plan: StackPlan
    ) -> None:
        first = specs[0]
        self.models, self.images = len(specs), len(source.train)
        self._device = torch.device(first.device)
        self._batch_size = first.recipe.batch_size
        networks = _networks(specs, source, seeds)
        self.initial = [describe_first_layer(network.conv1) for network in networks]
        fold = Fold.of(
            [spec.normalization for spec in specs],
            source.channels,
            source.scale,
            torch.empty(0, device=self._device),
        )
        self._stack = StackedLeNet(
            networks, fold, open_trunk(plan.trunk), self._device, COMPUTE[first.precision]
        )
        self._first_layers = [network.conv1 for network in networks]
        self._masks = DropoutMasks(self._stack.features, seeds.dropout, self._device)
        self._optimizer = open_optimizer(first.recipe, self._stack.rows, plan.fused)
        self._train = _SplitBytes(source.train, self._device)
        self._others = {"test": _SplitBytes(source.test, self._device)}
        if source.validation is not None:
            self._others["validation"] = _SplitBytes(source.validation, self._device)
        self._watch = Watch(self.models, self._device)
        self._trained_on = 0
        self._total = torch.zeros(self.models, dtype=torch.float64, device=self._device)

    def train_epoch(
        self, indices: Tensor, rates: Sequence[float], after_step: Callable[[], bool]
    ) -> None:
        """Train on every image once; see ``Learner``."""
        self.set_rates(rates)
        self._total.zero_()
        self._trained_on = 0
        for batch in indices.to(self._device).split(self._batch_size):
            self.step(batch)
            self._trained_on += len(batch)
            if after_step():
                break

    def set_rates(self, rates: Sequence[float]) -> None:
        """Choose the learning rates of the steps that follow."""
        self._optimizer.set_rates(rates)

    def numbers(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """All weights and their last gradients, sharing the memory of those trained with.

        Returns:
            Tensors of shape ``(models, *shape)``, by name, for each of the two.
        """
        views = self._stack.layout.views
        return views(self._stack.rows), views(self._stack.gradients)

    def keep(self, indices: Sequence[int]) -> None:
        """Go on with some of the models alone; see ``Learner``."""
        self.models = len(indices)
        self._stack.keep(indices)
        self._optimizer.keep(self._stack.rows, indices)
        self._watch.keep(indices)
        self._first_layers = [self._first_layers[index] for index in indices]
        self._total = self._total[list(indices)]

    def losses(self) -> list[float]:
        """How the models do on the epoch's images; see ``Learner``."""
        return (self._total / self._trained_on).tolist()

    def step(self, indices: Tensor) -> None:
        """Train on one batch."""
        pixels, labels = self._train.batch(indices)
        losses = self._stack.differentiate(pixels, labels, self._masks.draw(len(indices)))
        self._total.add_(losses, alpha=len(indices))
        self._optimizer.step(self._stack.gradients)
        self._watch.stepped(self._stack.first_gradients())

    @torch.inference_mode()
    def deaths(self) -> list[bool]:
        """Which models are proved dead; see ``Learner``.

        Proved is: behind the convolutions every feature of every image of the training is 0. Then
        no gradient passes, so that the weights in front of them stay, and with them the features.

        Returns:
            One answer a model.
        """
        watch, stack = self._watch, self._stack
        found = [
            index
            for index in watch.candidates()
            if self._optimizer.at_rest(index, stack.tail) and self._silent(index, [self._train])
        ]
        for index in found:
            watch.dead[index] = True
        if found and all(watch.dead):
            self._go_on_dead()
        return watch.dead

    def _silent(self, index: int, splits: Iterable[_SplitBytes]) -> bool:
        silence, most = self._stack.silence_of(index), PROOF_BATCH[self._device.type == "cuda"]
        return all(
            silence.holds(self._stack.low(split.batch(batch)[0]))
            for split in splits
            for batch in split.chosen(None).split(split.together(most))
        )

    def _go_on_dead(self) -> None:
        others = self._others.values()
        self._stack.silence(tests=all(self._silent(k, others) for k in range(self.models)))
        self._optimizer.leave_alone(self._stack.tail)

    @torch.inference_mode()
    def evaluate(self, split: str, chosen: np.ndarray | None = None) -> list[Evaluation]:
        """Test without training; see ``Learner``."""
        images = self._others[split]
        loss = torch.zeros(self.models, dtype=torch.float64, device=self._device)
        correct = []
        for batch in images.chosen(chosen).split(images.together(EVALUATION_BATCH)):
            pixels, labels = images.batch(batch)
            said = self._stack.log_probabilities(pixels)
            truth = labels.expand(self.models, -1)
            loss -= said.gather(2, truth[:, :, None]).sum((1, 2))
            correct.append(said.argmax(dim=2) == truth)
        right = torch.cat(correct, dim=1).cpu().numpy()
        return [
            Evaluation(float(row.mean()), total / len(row), row)
            for row, total in zip(right, loss.tolist(), strict=True)
        ]

    def first_layers(self) -> list[Numbers]:
        """The models' first layers as they are."""
        described = []
        for index, layer in enumerate(self._first_layers):
            weight, bias = self._stack.first_layer(index)
            with torch.no_grad():
                layer.get_parameter("weight").copy_(weight)
                layer.get_parameter("bias").copy_(bias)
            described.append(describe_first_layer(layer))
        return described


class DropoutMasks:
    """Draws what LeNet's dropouts keep of each batch.

    The shares kept are multiples of 1/256, so comparing uniform bytes gives exactly their law, and
    one 64-bit draw serves eight masks. All trials of one seed see the same masks, as they do in
    the plain trainer, where each draws them from the same stream.

    Args:
        features: Numbers in the first mask of an image.
        seed: Seeds the draws.
        device: Where they are drawn.

    Attributes:
        generator: What they are drawn from.
    """

    def __init__(self, features: int, seed: int, device: torch.device) -> None:
        self.generator = torch.Generator(device).manual_seed(seed)
        self._features = features

    def draw(self, images: int) -> Masks:
        """Masks for one batch."""
        bytes_ = images * (self._features + HIDDEN)
        words = torch.empty(-(-bytes_ // WORD), dtype=torch.int64, device=self.generator.device)
        words.random_(LOWEST, None, generator=self.generator)
        drawn = words.view(torch.uint8)[:bytes_]
        features, hidden = drawn.split([images * self._features, images * HIDDEN])
        return Masks(
            _below(features, 256 * KEPT1).view(images, -1),
            _below(hidden, 256 * KEPT2).view(images, -1),
        )


def _below(drawn: Tensor, limit: float) -> Tensor:
    # torch compares bytes on a CPU at a tenth of NumPy's speed.
    if drawn.device.type == "cpu":
        return torch.from_numpy(drawn.numpy() < int(limit))
    return drawn < int(limit)


class _SplitBytes:
    """A split's bytes on the device, channels innermost."""

    def __init__(self, images: LabelledImages, device: torch.device) -> None:
        held, self._rows = resident(images, device)
        channels_last = held.permute(0, 2, 3, 1)
        # On a CPU without a copy: what a mapped file holds is shared with other processes.
        self._pixels = channels_last.contiguous() if device.type != "cpu" else channels_last
        self._labels = shared(images.labels).to(device)

    def together(self, most: int) -> int:
        """How many are looked at together; as ``ResidentImages`` has it."""
        if self._pixels.device.type != "cpu":
            return most
        height, width = self._pixels.shape[1:3]
        return images_together(height, width, most)

    def chosen(self, indices: np.ndarray | None) -> Tensor:
        if indices is None:
            return torch.arange(len(self._labels), device=self._labels.device)
        return torch.from_numpy(indices).to(self._labels.device)

    def batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        rows = self._rows.index_select(0, indices)
        pixels = self._pixels.index_select(0, rows).permute(0, 3, 1, 2)
        return pixels, self._labels.index_select(0, indices)


def _networks(specs: Sequence[TrialSpec], source: DecodedSource, seeds: Generators) -> list[LeNet]:
    """The same network for every trial of the seed, but for its first layer's scale."""
    with torch_seeded(seeds.initialization, specs[0].device):
        drawn = LeNet(source.channels, len(source.classes), source.image_size)
    networks = [copy.deepcopy(drawn) for _ in specs]
    for network, spec in zip(networks, specs, strict=True):
        scale_first_layer(network.conv1, spec.init_scale)
    return networks
