"""What a fold needs of Keras: its layers' own numbers, and a layer in front of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from normscope.deploy.affine import Affine
from normscope.deploy.refusals import NoExactFold
from normscope.deploy.watching import storage_of

if TYPE_CHECKING:
    from torch import Tensor

WITH_BIAS = {"Conv1D", "Conv2D", "Conv3D", "Dense", "DepthwiseConv1D", "DepthwiseConv2D"}
"""Layers that add their bias to what their weights give, and nothing before it."""

MERGED = {"Normalization", "Rescaling"}
CENTRED = "normscope_centred"


def layer_of(model: Any, weight: Tensor) -> Any:
    """The layer of a model that holds some weights; None if none does."""
    for layer in model._flatten_layers(include_self=False, recursive=True):
        held = [v.value for v in getattr(layer, "_trainable_variables", [])]
        if any(storage_of(value) == storage_of(weight) for value in held):
            return layer
    return None


def bias_of(layer: Any) -> Tensor | None:
    """What a layer adds to its outputs, as its own memory; None where it adds nothing."""
    if type(layer).__name__ not in WITH_BIAS or not layer.use_bias:
        return None
    return layer.bias.value.data


def own_arithmetic(model: Any) -> Any:
    """The layer in front of all others, where it is one that normalizes; None otherwise."""
    layer = _first(model)
    return layer if type(layer).__name__ in MERGED else None


def _first(model: Any) -> Any:
    # A Sequential model keeps what its earlier, shorter versions left in its graph.
    if type(model).__name__ == "Sequential":
        layer = model.layers[0]
    else:
        start = model.inputs[0]._keras_history.operation
        readers = [
            node.operation
            for nodes in model._nodes_by_depth.values()
            for node in nodes
            if any(tensor is model.inputs[0] for tensor in node.input_tensors)
        ]
        readers = [reader for reader in readers if reader is not start]
        if len(readers) != 1:
            return None
        (layer,) = readers
    return _first(layer) if hasattr(layer, "inputs") and hasattr(layer, "layers") else layer


def own_affine(layer: Any, channels: int, *, channels_last: bool) -> Affine:
    """What such a layer does to each channel.

    Args:
        layer: As ``own_arithmetic`` found it.
        channels: Of the images.
        channels_last: How they come.

    Returns:
        The map.

    Raises:
        NoExactFold: If it is none of each channel.
    """

    def each(values: Any) -> np.ndarray:
        array = np.asarray(values.detach().cpu() if hasattr(values, "detach") else values, float)
        shape = (channels,) if channels_last else (channels, 1, 1)
        try:
            fitting = np.broadcast_to(array.reshape(array.shape[-len(shape) :]), shape)
        except ValueError:
            raise NoExactFold(
                f"{layer.name} ({type(layer).__name__}) treats pixels by their place"
            ) from None
        return fitting.reshape(channels).copy()

    if type(layer).__name__ == "Rescaling":
        return Affine(each(layer.scale), each(layer.offset))
    import keras

    std = np.maximum(np.sqrt(each(layer.variance)), keras.backend.epsilon())
    if layer.invert:
        return Affine(std, each(layer.mean))
    return Affine.normalizing(each(layer.mean), std)


def set_affine(layer: Any, affine: Affine, *, channels_last: bool) -> None:
    """Let such a layer do another map.

    Args:
        layer: As ``own_arithmetic`` found it.
        affine: What it is to do to each channel.
        channels_last: How images come.

    Raises:
        NoExactFold: If it cannot.
    """
    if type(layer).__name__ == "Rescaling":
        layer.scale = _listed(affine.factor, channels_last=channels_last)
        layer.offset = _listed(affine.offset, channels_last=channels_last)
        return
    if layer.invert or not (affine.factor > 0).all():
        raise NoExactFold(f"{layer.name} (Normalization) is inverted")
    mean, variance = -affine.offset / affine.factor, affine.factor**-2.0
    if layer.input_mean is not None:
        layer.axis = (3,) if channels_last else (1,)
        layer.input_mean, layer.input_variance = mean.tolist(), variance.tolist()
        layer.build(layer._build_input_shape)
        return
    if layer.adapt_mean.shape != mean.shape:
        raise NoExactFold(f"{layer.name} (Normalization) has no number for each channel")
    layer.adapt_mean.assign(mean)
    layer.adapt_variance.assign(variance)
    layer.finalize_state()


def centred(model: Any, subtracted: np.ndarray, *, channels_last: bool) -> Any:
    """A model behind a layer that subtracts a number from each channel.

    Args:
        model: Takes one batch of images.
        subtracted: One number per channel.
        channels_last: How images come.

    Returns:
        A model of both.
    """
    import keras

    given = model.inputs[0]
    images = keras.Input(batch_shape=given.shape, dtype=given.dtype, name=given.name)
    offset = _listed(-subtracted, channels_last=channels_last)
    shifted = keras.layers.Rescaling(1.0, offset, name=CENTRED, dtype=given.dtype)(images)
    return keras.Model(images, model(shifted), name=model.name)


def _listed(values: np.ndarray, *, channels_last: bool) -> Any:
    if not np.ptp(values):
        return float(values[0])
    return (values if channels_last else values.reshape(-1, 1, 1)).tolist()
