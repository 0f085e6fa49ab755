"""A recorded network that gives its outputs and the moments of what its BatchNorms meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn.modules.batchnorm import _BatchNorm as AnyBatchNorm

from normscope.auditing.drift import Moments, moments
from normscope.models.chosen_outputs import leave_out_other_outputs
from normscope.models.convolution_relu import join_convolutions_and_relus
from normscope.models.fused import batchnorms, fold, traced

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.fx import GraphModule

    from normscope.auditing.drift import InputMoments

LARGEST_OFFSET = 100
"""A BatchNorm with a bias of more than this many times its weight is not folded: rounding would
leave too few digits of what it met."""

SMALLEST_FACTOR = 1e-30
"""Nor is one that multiplies by less, which float32 can barely hold."""

AGREEMENT = 1e-3
"""How far outputs may be from the plain network's, in units of the largest of these."""


@dataclass(frozen=True)
class _Layer:
    """A BatchNorm, and the affine map from what it meets to what is measured.

    Attributes:
        name: Its name in the network.
        factor: float64, shape ``(C,)``; None where what it meets is measured directly.
        offset: Likewise.
    """

    name: str
    factor: Tensor | None = None
    offset: Tensor | None = None

    def met(self, measured: Moments) -> Moments:
        if self.factor is None or self.offset is None:
            return measured
        number, mean, variance = measured
        return Moments(number, (mean - self.offset) / self.factor, variance / self.factor.square())


class WatchedNetwork:
    """A recorded network that several threads may run at once.

    Where a BatchNorm is folded into the convolution before it, what the BatchNorm would meet is
    found from what the convolution now gives, an affine map of it.

    Args:
        network: A recorded network without other outputs than the plain one's; changed in place.
        names: The BatchNorms that are watched.
        folds: Whether BatchNorms are folded.
    """

    def __init__(self, network: GraphModule, names: set[str], *, folds: bool) -> None:
        self._layers: list[_Layer] = []
        measured = []
        leave_out_other_outputs(network)
        for node, batchnorm in batchnorms(network):
            name = str(node.target)
            if name not in names:
                continue
            (met,) = node.all_input_nodes
            layer = _Layer(name)
            factor, offset = _affine(batchnorm)
            if folds and _invertible(factor, batchnorm):
                folded = fold(network, node)
                if folded is not None:
                    layer, met = _Layer(name, factor, offset), folded
            # Until a BatchNorm is called, what it meets may change in place.
            place = network.graph.inserting_after(met)
            if layer.factor is None:
                place = network.graph.inserting_before(node)
            with place:
                measured.append(network.graph.call_function(moments, (met,)))
            self._layers.append(layer)
        if folds:
            join_convolutions_and_relus(network)
        output = network.graph.output_node()
        output.args = ((output.args[0], tuple(measured)),)
        network.delete_all_unused_submodules()
        network.recompile()
        self._network = network

    @classmethod
    def of(cls, model: nn.Module, names: set[str], *, folds: bool) -> WatchedNetwork | None:
        """Record a network.

        Args:
            model: In evaluation mode; it stays as it is.
            names: The BatchNorms that are watched.
            folds: Whether BatchNorms may be folded.

        Returns:
            None where it cannot be recorded, or a BatchNorm is hidden inside a layer or meets what
            a hook makes of its input.
        """
        network = traced(model)
        if network is None or _hides_batchnorm(network):
            return None
        return cls(network, names, folds=folds)

    def __call__(self, images: Tensor, counted: InputMoments | None) -> Tensor:
        """Run it.

        Args:
            images: As the network takes them.
            counted: What its BatchNorms meet is added to this, if it is given.

        Returns:
            Its outputs.
        """
        outputs, measured = self._network(images)
        if counted is not None:
            for layer, found in zip(self._layers, measured, strict=True):
                counted.add(layer.name, layer.met(found))
        return outputs

    def agrees(self, model: nn.Module, images: Tensor) -> bool:
        """Whether it gives what the plain network gives.

        Args:
            model: The plain network.
            images: A few, as the network takes them.

        Returns:
            False also where it fails.
        """
        with torch.inference_mode():
            # Each has images of its own, as it may change them in place.
            expected = model(images.clone()).float()
            try:
                found = self(images.clone(), None).float()
            except Exception:  # noqa: BLE001 - a stranger's network may fail in any way
                return False
        scale = float(expected.nan_to_num(0, 0, 0).abs().max())
        return torch.allclose(found, expected, rtol=0, atol=AGREEMENT * scale, equal_nan=True)


def _affine(batchnorm: AnyBatchNorm) -> tuple[Tensor, Tensor]:
    """What a BatchNorm does to a value: multiply and add, in float64."""
    assert batchnorm.running_mean is not None
    assert batchnorm.running_var is not None
    std = (batchnorm.running_var.double() + batchnorm.eps).sqrt()
    factor = 1 / std if batchnorm.weight is None else batchnorm.weight.double() / std
    offset = -batchnorm.running_mean.double() * factor
    return factor, offset if batchnorm.bias is None else offset + batchnorm.bias.double()


def _invertible(factor: Tensor, batchnorm: AnyBatchNorm) -> bool:
    if not bool((factor.isfinite() & (factor.abs() >= SMALLEST_FACTOR)).all()):
        return False
    if batchnorm.weight is None or batchnorm.bias is None:
        return True
    return bool((batchnorm.bias.abs() <= LARGEST_OFFSET * batchnorm.weight.abs()).all())


def _hides_batchnorm(network: GraphModule) -> bool:
    called = [n.target for n in network.graph.nodes if n.op == "call_module"]
    if any(layer._forward_pre_hooks for _, layer in batchnorms(network)):
        return True
    return any(
        isinstance(inner, AnyBatchNorm) and inner is not layer
        for layer in map(network.get_submodule, called)
        for inner in layer.modules()
    )
