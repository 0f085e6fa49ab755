"""Any model, trained quickly: the plain step with a lighter optimizer, layout and precision."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it

from normscope.machine.device import wide_dtype
from normscope.models.first_layer import describe_first_layer
from normscope.models.quick.layers import quicken
from normscope.trials.course import Evaluation
from normscope.trials.fast.device_optimizers import open_optimizer
from normscope.trials.fast.memory import EVALUATION_BATCH
from normscope.trials.fast.plan_choice import repays_compiling
from normscope.trials.network import build_network, training_batches
from normscope.trials.network_death import NetworkDeath
from normscope.trials.pixels import ResidentImages
from normscope.trials.seeding import unchanged_draws

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from torch import Tensor

    from normscope.images.decoded import DecodedSource
    from normscope.trials.augmentation import Augmentation
    from normscope.trials.fast.learner import Numbers
    from normscope.trials.spec import TrialSpec


class ModelLearner:
    """One model of any kind, under autograd.

    Torch's generator must be seeded for the initialization when this is called, and for dropout
    afterwards.

    Args:
        spec: The trial.
        source: Its images.
        augmentation: Crops and flips the training images, where the recipe has it.

    Attributes:
        models: 1.
        images: How many images it trains on.
        initial: Its first layer as it was initialized.
    """

    models = 1

    def __init__(
        self, spec: TrialSpec, source: DecodedSource, augmentation: Augmentation | None = None
    ) -> None:
        model, self._first_layer = build_network(spec, source)
        self.initial = [describe_first_layer(self._first_layer)]
        # Convolutions and pooling are quicker in this layout; other layers keep theirs.
        self._model = model.to(spec.device).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        if spec.device == "cpu" and spec.precision == "fp32":
            # The first layer may meet large numbers that differ little, and stays as it is.
            compiled = repays_compiling(spec, source)
            quicken(self._model, compiled, spared=[self._first_layer])
        self._parameters = [p for p in self._model.parameters() if p.requires_grad]
        self._optimizer = open_optimizer(spec.recipe, [p.detach() for p in self._parameters])
        self._augmentation = augmentation
        self._autocast = spec.precision == "bf16"
        self._batch_size = spec.recipe.batch_size
        self._train = ResidentImages(source.train, source.scale, spec)
        self._others = {"test": ResidentImages(source.test, source.scale, spec)}
        if source.validation is not None:
            self._others["validation"] = ResidentImages(source.validation, source.scale, spec)
        self.images = len(self._train)
        self._death = NetworkDeath(model, self._first_layer, spec.recipe, self._output)
        self._trained_on = 0
        self._total = torch.zeros(
            (), dtype=wide_dtype(self._train.device), device=self._train.device
        )

    def train_epoch(
        self, indices: Tensor, rates: Sequence[float], after_step: Callable[[], bool]
    ) -> None:
        """Train on every image once; see ``Learner``."""
        self._model.train()
        self._optimizer.set_rates(list(rates) * len(self._parameters))
        self._total.zero_()
        self._trained_on = 0
        for batch in training_batches(indices, self._batch_size, self._model):
            pixels, labels = self._train.batch(batch, self._augmentation)
            self._model.zero_grad(set_to_none=True)
            loss = F.cross_entropy(self._output(pixels), labels)
            loss.backward()
            self._optimizer.step([_gradient(parameter) for parameter in self._parameters])
            self._death.stepped()
            self._total += loss.detach() * len(batch)
            self._trained_on += len(batch)
            if after_step():
                break

    def keep(self, indices: Sequence[int]) -> None:
        """A model alone has no others to go on without; see ``Learner``."""

    def losses(self) -> list[float]:
        """How it does on the epoch's images; see ``Learner``."""
        return [self._total.item() / self._trained_on]

    def evaluate(self, split: str, chosen: np.ndarray | None = None) -> list[Evaluation]:
        """Test without training; see ``Learner``."""
        if chosen is None:
            return self._evaluated(split, torch.arange(len(self._others[split])))
        # In the midst of an epoch, which must not notice.
        with unchanged_draws(self._train.device.type):
            seen = self._evaluated(split, torch.from_numpy(chosen))
        self._model.train()
        return seen

    @torch.inference_mode()
    def _evaluated(self, split: str, indices: Tensor) -> list[Evaluation]:
        self._model.eval()
        images = self._others[split]
        loss = torch.zeros((), dtype=wide_dtype(images.device), device=images.device)
        correct = []
        for batch in indices.split(images.together(EVALUATION_BATCH)):
            pixels, labels = images.batch(batch)
            output = self._output(pixels)
            loss += F.cross_entropy(output, labels, reduction="sum")
            correct.append(output.argmax(dim=1) == labels)
        right = torch.cat(correct).cpu().numpy()
        return [Evaluation(float(right.mean()), loss.item() / len(right), right)]

    def first_layers(self) -> list[Numbers]:
        """Its first layer as it is."""
        return [describe_first_layer(self._first_layer)]

    def deaths(self) -> list[bool]:
        """Whether it is proved dead; see ``Learner``."""
        places = {id(parameter): place for place, parameter in enumerate(self._parameters)}
        return [
            self._death.prove(
                self._train,
                list(self._others.values()),
                lambda parameter: (
                    self._optimizer.at_rest(places[id(parameter)])
                    if id(parameter) in places
                    else True
                ),
            )
        ]

    def _output(self, pixels: Tensor) -> Tensor:
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        if not self._autocast:
            return self._model(pixels)
        with torch.autocast(pixels.device.type, torch.bfloat16):
            return self._model(pixels).float()


def _gradient(parameter: Tensor) -> Tensor:
    """A parameter's gradient in the parameter's own layout; zero where the loss ignores it."""
    gradient = parameter.grad
    if gradient is None:
        return torch.zeros_like(parameter)
    if gradient.stride() == parameter.stride():
        return gradient
    return torch.empty_like(parameter).copy_(gradient)
