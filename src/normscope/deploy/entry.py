"""Where the pixels enter a network: found by watching every operation that reads them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from normscope.deploy.affine import Affine
from normscope.deploy.calls import Calls
from normscope.deploy.padding import same_sides
from normscope.deploy.refusals import WHOLE, NoExactFold, not_taken
from normscope.deploy.watching import CONVOLUTIONS, Watch, owners_of_weights, storage_of
from normscope.errors import NormscopeError
from normscope.machine.without_compiler import without_compiler
from normscope.models.first_layer import floating_dtype
from normscope.wording import first_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from normscope.deploy.padding import Padding


CLOSE = 0.1
"""How far from a whole number a mean of equal pixels may be by rounding; of whole ones."""


@dataclass(frozen=True)
class Entry:
    """The one layer that the pixels meet first.

    Attributes:
        name: Its name in the network.
        layer: A convolution, a linear layer or a BatchNorm; where the network's own computes its
            weights while it runs, a plain one with these.
        features: For each of its input channels (or features), the image's channel it comes from.
        padding: What is put around the pixels in front of it, besides its own padding.
        own: What the network itself does to each of those channels before; None for nothing.
        computed: Whether the network's own computes its weights.
    """

    name: str
    layer: nn.Module
    features: tuple[int, ...]
    padding: Padding | None = None
    own: Affine | None = None
    computed: bool = False

    def meets(self, affine: Affine) -> Affine:
        """What the layer has to do to its features for a map of the image's channels."""
        here = affine.take(self.features)
        return here if self.own is None else here.behind(self.own)


def find_entry(model: nn.Module, channels: int, image_size: tuple[int, int]) -> Entry:
    """The one layer through which every pixel enters a network.

    Args:
        model: In evaluation mode.
        channels: Channels of the images.
        image_size: Height and width in pixels.

    Returns:
        The layer.

    Raises:
        NormscopeError: As ``find_entries`` does.
        NoExactFold: Likewise, and if several layers read the pixels.
    """
    first, *others = find_entries(model, channels, image_size)
    if others:
        names = ", ".join(entry.name for entry in (first, *others))
        raise NoExactFold(f"{len(others) + 1} layers do ({names})")
    return first


def find_entries(model: nn.Module, channels: int, image_size: tuple[int, int]) -> tuple[Entry, ...]:
    """The layers through which every pixel enters a network; most have one.

    An image whose pixels hold the number of their channel is run through it, so that what reaches
    a layer says where it comes from, whatever views, slices and permutations lie between.

    Args:
        model: In evaluation mode.
        channels: Channels of the images.
        image_size: Height and width in pixels.

    Returns:
        At least one layer.

    Raises:
        NormscopeError: If the network does not take such images.
        NoExactFold: Which is that error, if anything but convolutions, linear layers or BatchNorms
            reads pixels, if such a layer reads other things too or mixes channels in one feature.
    """
    entries = _traced(model, channels, image_size)
    larger = (image_size[0] + 1, image_size[1] + 1)
    if not any(e.padding or e.own or isinstance(e.layer, CONVOLUTIONS) for e in entries):
        return entries
    try:
        others = {entry.name: entry for entry in _traced(model, channels, larger)}
    except NormscopeError:
        return entries  # it takes images of one size
    sizes = (image_size, larger)
    return tuple(_at_any_size(entry, others.get(entry.name), sizes) for entry in entries)


def _at_any_size(entry: Entry, larger: Entry | None, sizes: Sequence[tuple[int, int]]) -> Entry:
    """The entry with padding that follows the size of the image, if it does."""
    if larger is not None and not _same(entry.own, larger.own):
        raise NoExactFold("what the network does to the pixels depends on the size of the image")
    layer, padding, said = entry.layer, entry.padding, entry.name or WHOLE
    other = larger and larger.padding
    known = padding or other
    if known is None or other == padding:
        return entry
    nothing = replace(known, sides=(0,) * len(known.sides))
    found, later = padding or nothing, other or nothing
    follows = isinstance(layer, CONVOLUTIONS) and all(
        each.sides == tuple(same_sides(size, layer.kernel_size, layer.stride, layer.dilation))
        for each, size in zip((found, later), sizes, strict=True)
    )
    if follows and known.inside and known.value == 0:
        return replace(entry, padding=replace(found, same=True))
    if padding is None:
        return entry  # images of this size are not padded
    raise NoExactFold(f"padding in front of {said} depends on the size of the image")


def _traced(model: nn.Module, channels: int, image_size: tuple[int, int]) -> tuple[Entry, ...]:
    shown = np.vstack([np.arange(1, channels + 1), np.zeros(channels), np.eye(channels)])
    names = {module: name for name, module in model.named_modules()}
    watch, calls = _run(model, shown[0], image_size)
    layers = _readers(watch)
    if not watch.computes:
        return tuple(_entry(names[layer], layer, watch, calls, channels) for layer in layers)
    answers = [_run(model, values, image_size)[1].given for values in shown[1:]]
    return tuple(
        _entry(names[layer], layer, watch, calls, channels, [given[layer] for given in answers])
        for layer in layers
    )


def _run(model: nn.Module, values: np.ndarray, image_size: tuple[int, int]) -> tuple[Watch, Calls]:
    """Watch a network as it is shown an image that has one value in each channel."""
    device = next(model.parameters(), torch.empty(0)).device
    numbers = torch.tensor(values, dtype=floating_dtype(model), device=device)
    image = numbers.reshape(1, -1, 1, 1).expand(2, -1, *image_size).contiguous()
    watch = Watch(image, owners_of_weights(model))
    calls = Calls(model, watch)
    try:
        with without_compiler(), torch.no_grad(), watch:
            model(image)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        raise NormscopeError(not_taken(image, first_line(error))) from error
    finally:
        calls.remove()
    return watch, calls


def _readers(watch: Watch) -> list[nn.Module]:
    readers = list(dict.fromkeys(watch.readers))
    foreign = [operation for module, operation in readers if module is None]
    if foreign:
        raise NoExactFold(f"the network computes with the pixels by '{foreign[0]}'")
    layers = list(dict.fromkeys(module for module, _ in readers if module is not None))
    if not layers:
        raise NoExactFold("no layer reads the pixels")
    return layers


def _entry(
    name: str,
    layer: nn.Module,
    watch: Watch,
    calls: Calls,
    channels: int,
    answers: list[list[Tensor]] | None = None,
) -> Entry:
    given, times, said = calls.given[layer], calls.times[layer], name or WHOLE
    if len(given) < times or not all(map(watch.holds_image, given)):
        raise NoExactFold(f"{said} is used {times} times, and not for the pixels alone")
    if layer in calls.hooked:
        raise NoExactFold(f"a hook changes what {said} gives")
    if layer in watch.used_elsewhere:
        raise NoExactFold(f"the weights of {said} are used elsewhere too")
    axis = -1 if isinstance(layer, nn.Linear) else 1
    padding, *others = [_padding(watch, calls, each, said, layer) for each in given]
    if answers is None:
        met = [(features_of(each, axis, channels), None) for each in given]
    else:
        met = [own_arithmetic(each, axis) for each in zip(*answers, strict=True)]
    features, own = met[0]
    alike = all(other == features and _same(each, own) for other, each in met)
    if not alike or any(each != padding for each in others):
        raise NoExactFold(f"{said} is used {times} times, each time for other channels")
    plain = calls.computed.get(layer, layer)
    return Entry(name, plain, features, padding, own, computed=plain is not layer)


def _same(one: Affine | None, other: Affine | None) -> bool:
    return one is other or (one is not None and other is not None and one.is_close(other))


def _padding(
    watch: Watch, calls: Calls, given: Tensor, said: str, layer: nn.Module
) -> Padding | None:
    if storage_of(given) not in watch.padded:
        return None
    padded, padding = watch.padded[storage_of(given)]
    whole = given.shape == padded.shape and given.stride() == padded.stride()
    if not whole or not isinstance(layer, nn.Conv2d):
        raise NoExactFold("the network computes with the pixels by 'constant_pad_nd'")
    if any(calls.padders.count(module) > 1 for module in calls.padders):
        padding = replace(padding, module=None)
    own = layer.padding not in {"valid", (0, 0)}
    if own and (padding.value != 0 or layer.padding_mode != "zeros"):
        raise NoExactFold(f"{said} pads what is padded already")
    return padding


def features_of(given: Tensor, axis: int, channels: int) -> tuple[int, ...]:
    """Which channel of the image each feature that a layer reads comes from.

    Args:
        given: What the layer was given for an image whose pixels hold their channel's number.
        axis: Of the features.
        channels: Of the image.

    Returns:
        Indices.

    Raises:
        NoExactFold: If one feature holds pixels of several channels.
    """
    values = _values(given, axis, CLOSE)
    found = values.round()
    if (np.abs(values - found) > CLOSE).any() or not ((found > 0) & (found <= channels)).all():
        raise NoExactFold("channels meet in one of its features")
    return tuple((found.astype(int) - 1).tolist())


def own_arithmetic(answers: Sequence[Tensor], axis: int) -> tuple[tuple[int, ...], Affine]:
    """What a network does to the image's channels before a layer reads them.

    Args:
        answers: What the layer was given for a black image, and for one image per channel in which
            that channel is 1.
        axis: Of the features.

    Returns:
        The channel that each feature comes from, and its factor and offset.

    Raises:
        NoExactFold: If one feature holds pixels of several channels, or of none.
    """
    rounding = 64 * torch.finfo(answers[0].dtype).eps
    allowed = rounding * max(1.0, *(float(answer.abs().max()) for answer in answers))
    offset, *ones = (_values(answer, axis, allowed) for answer in answers)
    factors = np.array(ones) - offset
    features = np.abs(factors).argmax(0)
    factor = factors[features, np.arange(len(offset))]
    others = np.abs(factors).sum(0) - np.abs(factor)
    if (others > CLOSE * np.abs(factor)).any() or not factor.all():
        raise NoExactFold("channels meet in one of its features")
    return tuple(features.tolist()), Affine(factor, offset)


def _values(given: Tensor, axis: int, allowed: float) -> np.ndarray:
    """The one value of each feature, but for rounding."""
    rows = given.movedim(axis, 0).flatten(1)
    if ((rows - rows[:, :1]).abs() > allowed).any():
        raise NoExactFold("channels meet in one of its features")
    return rows[:, 0].double().cpu().numpy()
