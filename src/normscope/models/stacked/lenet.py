"""Many LeNets on one batch: their losses, and the gradients written by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it

from normscope.models.stacked.parameters import Layout, stack_rows
from normscope.models.stacked.silence import Silence
from normscope.models.stacked.trunk import keep_

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from normscope.models.lenet import LeNet
    from normscope.models.stacked.fold import Fold
    from normscope.models.stacked.sparse_features import SparseFeatures
    from normscope.models.stacked.trunk import Trunk

aten = torch.ops.aten

KEPT1, KEPT2 = 0.75, 0.5
"""Shares of the features and of the hidden units that LeNet's two dropouts keep."""

TESTED_TOGETHER = 16 * 28 * 28
"""Pixels that a CPU convolves at a time in tests, 16 of MNIST's images. With more, glibc keeps
several times the memory that is ever in use at once: it puts scraps between aligned blocks, so that
the next block of the same size does not fit."""

SPARE_SILENT = True
"""Whether a batch without any feature above 0 is spared the products that its gradients would be
zeros of; False to check that."""


class Masks(NamedTuple):
    """What dropout keeps of one batch, the same for every model of the stack.

    Attributes:
        features: bool, shape ``(N, features)``, in the trunk's order.
        hidden: bool, shape ``(N, 128)``.
    """

    features: Tensor
    hidden: Tensor


class StackedLeNet:
    """The weights, gradients and arithmetic of many LeNets of the same shapes.

    Without autograd: what is kept for the gradient, and where it is written, is known beforehand,
    so nothing is kept twice, dropout and ReLU share one backward pass, and the gradients land in
    rows beside the weights, where an optimizer takes them in a few calls.

    Args:
        models: The networks as they are initialized.
        fold: Their normalizations.
        trunk: Their convolutions.
        device: Where they live.
        compute: What the convolutions and the first linear layer are computed in; the weights and
            all the rest stay in the models' own type.

    Attributes:
        rows: Weights, shape ``(models, length)``.
        gradients: Of the same shape.
        layout: Where each tensor lies in a row.
    """

    def __init__(
        self,
        models: Sequence[LeNet],
        fold: Fold,
        trunk: Trunk,
        device: torch.device,
        compute: torch.dtype,
    ) -> None:
        self.layout = Layout.of(models[0])
        self._hold(stack_rows(models, self.layout).to(device))
        self._fold, self._trunk, self._compute = fold, trunk, compute
        self.features = models[0].fc1.in_features
        self._silent = self._silent_in_tests = False

    def keep(self, indices: Sequence[int]) -> None:
        """Go on with some of the models alone."""
        self._hold(self.rows[list(indices)])
        self._fold = self._fold.of_models(indices)

    def _hold(self, rows: Tensor) -> None:
        self.rows, self.gradients = rows, torch.zeros_like(rows)
        self._weights = self.layout.views(self.rows)
        self._gradients = self.layout.views(self.gradients)

    @property
    def tail(self) -> int:
        """Where the weights behind silent features begin in a row: they alone still learn."""
        return self.layout.starts["fc1.bias"]

    def silence_of(self, index: int) -> Silence:
        """What tells whether one model's features are silent on given images.

        Returns:
            It, for the weights as they are now; to be asked about ``low`` pixels.
        """
        return Silence(*(tensor[index] for tensor in self._convolutions()))

    def silence(self, *, tests: bool) -> None:
        """From now on take every feature for 0, as it is proved to be.

        What reaches the first linear layer is then its bias, and no gradient passes its weights.

        Args:
            tests: Whether that is so of the images tested on as well, not of training alone.
        """
        self._silent, self._silent_in_tests = True, tests
        self.gradients.zero_()

    def log_probabilities(self, pixels: Tensor) -> Tensor:
        """What each model says of each image, without dropout.

        Args:
            pixels: uint8, shape ``(N, C, H, W)``.

        Returns:
            Shape ``(models, N, classes)``.
        """
        w = self._weights
        bias = self.low(w["fc1.bias"])[:, None]
        if self._silent_in_tests:
            hidden = bias.repeat(1, len(pixels), 1)
        else:
            features = self._features(pixels).relu_()
            hidden = torch.baddbmm(bias, features, self.low(w["fc1.weight"]).mT)
        logits = torch.baddbmm(
            w["fc2.bias"][:, None], hidden.relu_().to(self.rows.dtype), w["fc2.weight"].mT
        )
        return F.log_softmax(logits, dim=2)

    def differentiate(self, pixels: Tensor, labels: Tensor, masks: Masks) -> Tensor:
        """Losses on a batch, and their gradients left in ``gradients``.

        Args:
            pixels: uint8, shape ``(N, C, H, W)``.
            labels: int64, shape ``(N,)``.
            masks: What dropout keeps.

        Returns:
            Mean cross-entropy of each model, shape ``(models,)``.
        """
        w, g = self._weights, self._gradients
        bias, fc1, features, few = self.low(w["fc1.bias"])[:, None], None, None, None
        if self._silent:
            hidden = bias.repeat(1, len(pixels), 1)
        else:
            fc1 = self.low(w["fc1.weight"])
            # Dropout's factors 1 / kept are left to the products that follow: a factor costs
            # nothing there, and a pass over memory here.
            features = self._trunk.kept(*self._inputs(pixels), mask=masks.features)
            few = self._trunk.few(features)
            hidden = (
                torch.baddbmm(bias, features, fc1.mT, alpha=1 / KEPT1)
                if few is None
                else few.times(fc1.mT, 1 / KEPT1).add_(bias)
            )
        hidden = keep_(hidden.relu_(), masks.hidden)
        high = hidden.to(self.rows.dtype)
        logits = torch.baddbmm(w["fc2.bias"][:, None], high, w["fc2.weight"].mT, alpha=1 / KEPT2)
        log_probabilities = F.log_softmax(logits, dim=2)
        count, classes = logits.shape[1:]
        of_truth = log_probabilities.gather(2, labels[:, None].expand(len(logits), -1, -1))
        losses = of_truth.sum((1, 2)).div_(-count)

        one_hot = F.one_hot(labels, classes)
        of_logits = log_probabilities.exp_().sub_(one_hot).div_(count)
        _product(of_logits.mT, high, 1 / KEPT2, g["fc2.weight"])
        g["fc2.bias"].copy_(of_logits.sum(1))
        of_hidden = _scaled(of_logits, w["fc2.weight"], 1 / KEPT2).to(self._compute)
        # What is above 0 here is what both ReLU and dropout let through.
        of_hidden = aten.threshold_backward(of_hidden, hidden, 0)
        g["fc1.bias"].copy_(of_hidden.sum(1, dtype=self.rows.dtype))
        if features is not None and fc1 is not None:
            self._differentiate_way_in(of_hidden, features, few, fc1)
        return losses

    def _differentiate_way_in(
        self, of_hidden: Tensor, features: Tensor, few: SparseFeatures | None, fc1: Tensor
    ) -> None:
        g = self._gradients
        if SPARE_SILENT and _silent(features):
            self.gradients[:, : self.tail] = 0
            return
        of_weight = g["fc1.weight"].mT
        if few is not None:
            of_features = few.gradients(of_hidden, fc1.mT, 1 / KEPT1, of_weight)
        else:
            _product(features.mT, of_hidden, 1 / KEPT1, of_weight)
            of_features = _scaled(of_hidden, fc1, 1 / KEPT1)
            of_features = aten.threshold_backward.grad_input(
                of_features, features, 0, grad_input=of_features
            )
        found = self._trunk.backward(of_features)
        g["conv2.weight"].copy_(found.weight2)
        g["conv2.bias"].copy_(found.bias2)
        bias1 = found.bias1.to(self.rows.dtype)
        g["conv1.bias"].copy_(bias1)
        g["conv1.weight"].copy_(self._fold.gradient(found.weight1.to(bias1), bias1))

    def first_gradients(self) -> Tensor:
        """The last gradients of the first layers' weights, shape ``(models, numbers)``."""
        return self._gradients["conv1.weight"].flatten(1)

    def first_layer(self, index: int) -> tuple[Tensor, Tensor]:
        """One model's first layer."""
        return self._weights["conv1.weight"][index], self._weights["conv1.bias"][index]

    def low(self, tensor: Tensor) -> Tensor:
        """Numbers as they are computed with; bf16 holds bytes, up to 255, exactly."""
        return tensor.to(self._compute)

    def _features(self, pixels: Tensor) -> Tensor:
        """Features for tests, which need no gradients."""
        together = len(pixels)
        if pixels.device.type == "cpu":
            together = max(1, TESTED_TOGETHER // pixels[0, 0].numel())
        parts = []
        for part in pixels.split(together):
            parts.append(self._trunk.forward(*self._inputs(part)))
            self._trunk.forget()
        return torch.cat(parts, dim=1)

    def _inputs(self, pixels: Tensor) -> list[Tensor]:
        return [self.low(pixels), *self._convolutions()]

    def _convolutions(self) -> list[Tensor]:
        w = self._weights
        folded = self._fold.into(w["conv1.weight"], w["conv1.bias"])
        return [self.low(tensor) for tensor in (*folded, w["conv2.weight"], w["conv2.bias"])]


def _silent(features: Tensor) -> bool:
    # The first image alone tells of most that live. A GPU would have to be waited for.
    on_cpu = features.device.type == "cpu"
    return on_cpu and not features[:, 0].any() and not features.any()


def _scaled(left: Tensor, right: Tensor, factor: float) -> Tensor:
    out = left.new_empty(len(left), left.shape[1], right.shape[2])
    return torch.baddbmm(out, left, right, beta=0, alpha=factor)


def _product(left: Tensor, right: Tensor, factor: float, out: Tensor) -> None:
    if left.dtype == out.dtype:
        out.baddbmm_(left, right, beta=0, alpha=factor)
    else:
        out.copy_(_scaled(left, right, factor))
