"""The proof that a network of any kind is dead, and its training without what does not move."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import nn
from torch.nn.modules.dropout import _DropoutNd as AnyDropout

from normscope.models.batchnorm import has_batchnorm
from normscope.trials.death import Watch
from normscope.trials.seeding import unchanged_draws

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from normscope.trials.pixels import ResidentImages
    from normscope.trials.recipe import Recipe

SWEEP_BATCH = 128

IMAGE_AXES = 4


class NetworkDeath:
    """Watches a network under autograd, proves its death and spares what no longer moves.

    On the image's way in lie the layers that meet different numbers for different images of the
    training, and every weight that belongs to no layer seen at work. A network is dead if the
    answer is the same for all these images, to the last bit, and none of them gives any of those
    weights a gradient. They then stay as they are, so what reaches the other layers stays the same
    for all. Weight decay, random crops and BatchNorm move more than gradients do: with them nothing
    is proved.

    Args:
        model: In training.
        first_layer: Its first layer.
        recipe: How it is trained.
        output: What is trained, from normalized pixels to the numbers that the loss is made of.

    Attributes:
        proved: Whether it is dead.
    """

    def __init__(
        self,
        model: nn.Module,
        first_layer: nn.Module,
        recipe: Recipe,
        output: Callable[[Tensor], Tensor],
    ) -> None:
        self.proved = False
        self._model, self._output = model, output
        self._weight = first_layer.get_parameter("weight")
        self._watch = Watch(1, self._weight.device)
        self._possible = not (recipe.weight_decay or recipe.augment or has_batchnorm(model))
        self._layers = [
            module
            for module in model.modules()
            if next(module.children(), None) is None and next(module.parameters(), None) is not None
        ]

    def stepped(self) -> None:
        """Take note of a step, whose gradients must still be there."""
        if self._possible and not self.proved and self._weight.grad is not None:
            self._watch.stepped(self._weight.grad.reshape(1, -1))

    def prove(
        self,
        train: ResidentImages,
        others: Sequence[ResidentImages],
        at_rest: Callable[[nn.Parameter], bool],
    ) -> bool:
        """Prove the death where that is due. Nothing drawn or trained afterwards changes.

        Args:
            train: The images trained on.
            others: All others that are looked at; where they too get one and the same answer, tests
                are spared what training is spared.
            at_rest: Whether gradients of zero would leave a weight as it is, for good.

        Returns:
            Whether it is proved.
        """
        if self.proved or not self._watch.candidates():
            return self.proved
        training = self._model.training
        with unchanged_draws(train.device.type):
            way_in = self._way_in([train])
            if way_in is not None:
                moving = self._weights(way_in)
                if all(at_rest(weight) for weight in moving) and self._silent(train, moving):
                    tests = self._way_in([*others, train]) == way_in
                    self._hold(way_in, train.batch(torch.tensor([0]))[0], tests=tests)
                    self.proved = True
        self._model.zero_grad(set_to_none=True)
        self._model.train(training)
        return self.proved

    def _hold(self, layers: list[nn.Module], pixels: Tensor, *, tests: bool) -> None:
        """Let layers give what they give for one image: what comes behind is the same for all."""
        given: dict[nn.Module, Tensor] = {}
        hooks = [
            layer.register_forward_hook(lambda module, _, out: given.update({module: out.clone()}))
            for layer in layers
        ]
        self._model.eval()
        with torch.no_grad():
            self._output(pixels)
        for hook in hooks:
            hook.remove()
        for layer, numbers in given.items():
            layer.forward = _holding(layer, numbers, tests=tests)

    def _weights(self, way_in: list[nn.Module]) -> list[nn.Parameter]:
        behind = [layer for layer in self._layers if layer not in way_in]
        spared = {id(weight) for layer in behind for weight in layer.parameters()}
        return [weight for weight in self._model.parameters() if id(weight) not in spared]

    def _way_in(self, splits: list[ResidentImages]) -> list[nn.Module] | None:
        """Layers that meet different numbers for different images; None where answers differ."""
        seen = _Inputs(splits[0].together(SWEEP_BATCH))
        dropouts = [m for m in self._model.modules() if isinstance(m, AnyDropout)]
        hooks = [m.register_forward_pre_hook(seen.note) for m in [*self._layers, *dropouts]]
        first: Tensor | None = None
        self._model.eval()
        try:
            with torch.inference_mode():
                for split in splits:
                    for batch in _full_batches(split):
                        answer = self._output(split.batch(batch)[0])
                        seen.next_batch()
                        first = answer[:1] if first is None else first
                        if not bool((answer == first).all()):
                            return None
        finally:
            for hook in hooks:
                hook.remove()
        # Dropout of what depends on the image could let through more than this sweep has seen.
        if any(dropout in seen.differing for dropout in dropouts) or seen.repeated:
            return None
        way_in = [m for m in self._layers if m in seen.differing or m not in seen.met]
        return way_in if self._steady(way_in, splits[-1]) else None

    def _steady(self, way_in: list[nn.Module], train: ResidentImages) -> bool:
        """Whether layers meet in training what they meet in a test, whatever is drawn there."""
        met: list[Tensor] = []
        hooks = [m.register_forward_pre_hook(lambda _, x: met.append(x[0].clone())) for m in way_in]
        pixels = train.batch(_full_batches(train)[0])[0]
        with torch.inference_mode():
            for training in (True, False):
                self._model.train(training)
                self._output(pixels)
        for hook in hooks:
            hook.remove()
        half = len(met) // 2
        return all(torch.equal(a, b) for a, b in zip(met[:half], met[half:], strict=True))

    def _silent(self, train: ResidentImages, weights: list[nn.Parameter]) -> bool:
        self._model.train()
        for batch in torch.arange(len(train)).split(train.together(SWEEP_BATCH)):
            pixels, labels = train.batch(batch)
            self._model.zero_grad(set_to_none=True)
            F.cross_entropy(self._output(pixels), labels).backward()
            gradients = [weight.grad for weight in weights if weight.grad is not None]
            if any(bool((gradient != 0).any()) for gradient in gradients):
                return False
        return True


class _Inputs:
    """What the layers meet, compared between images."""

    def __init__(self, together: int) -> None:
        self._together = together
        self.differing: set[nn.Module] = set()
        self.met: dict[nn.Module, Tensor] = {}
        self.repeated = False
        self._now: set[nn.Module] = set()

    def next_batch(self) -> None:
        self._now.clear()

    def note(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self.repeated |= module in self._now
        self._now.add(module)
        numbers = inputs[0]
        first = self.met.setdefault(module, numbers[:1].clone())
        if len(numbers) != self._together or not bool((numbers == first).all()):
            self.differing.add(module)


def _full_batches(split: ResidentImages) -> Sequence[Tensor]:
    """All images, the first ones again where the last batch would be smaller."""
    # The size of a batch decides how sums are rounded, and nothing else may differ between images.
    images, together = len(split), split.together(SWEEP_BATCH)
    batches = -(-images // together)
    return (torch.arange(batches * together) % images).split(together)


def _holding(layer: nn.Module, given: Tensor, *, tests: bool) -> Callable[[Tensor], Tensor]:
    """A layer's forward that gives for every image, in training or tests too, what it gave one."""
    ordinary = layer.forward
    layout = torch.contiguous_format
    if given.ndim == IMAGE_AXES and given.is_contiguous(memory_format=torch.channels_last):
        layout = torch.channels_last

    def forward(numbers: Tensor) -> Tensor:
        if not (tests or layer.training):
            return ordinary(numbers)
        # A copy, since what comes next may work in place.
        everyone = given.expand(len(numbers), *given.shape[1:])
        return everyone.clone(memory_format=layout)

    return forward
