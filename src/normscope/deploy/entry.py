"""Where the pixels enter a network: found by watching every operation that reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from normscope.errors import NormscopeError

if TYPE_CHECKING:
    from collections.abc import Callable

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
FOLDABLE = (*CONVOLUTIONS, nn.Linear, *BATCH_NORMS)

MOVES = frozenset(
    {
        "_to_copy", "_unsafe_view", "cat", "clone", "flip", "index", "index_select",
        "pixel_unshuffle", "roll", "stack",
    }
)  # fmt: skip
"""Operations that put pixels elsewhere without changing them, besides all views."""

MEASURES = frozenset(
    {
        "empty_like", "full_like", "new_empty", "new_full", "new_ones", "new_zeros", "ones_like",
        "zeros_like",
    }
)  # fmt: skip
"""Operations that ask for the image's shape and type alone."""


class NoExactFold(NormscopeError):
    """The pixels do not meet one layer first.

    Args:
        met: What was found in its place.
    """

    def __init__(self, met: str) -> None:
        super().__init__(
            "one convolution, linear layer or BatchNorm must read the pixels, unchanged and once, "
            f"for an exact fold; here {met}. Keep the normalization outside the model."
        )

    def __reduce__(self) -> tuple[type[NormscopeError], tuple[str]]:
        return NormscopeError, (str(self),)


@dataclass(frozen=True)
class Entry:
    """The one layer that the pixels meet first.

    Attributes:
        name: Its name in the network.
        layer: A convolution, a linear layer or a BatchNorm.
        features: For each of its input channels (or features), the image's channel it comes from.
    """

    name: str
    layer: nn.Module
    features: tuple[int, ...]


def find_entry(model: nn.Module, channels: int, image_size: tuple[int, int]) -> Entry:
    """The layer through which every pixel enters a network.

    An image whose pixels hold the number of their channel is run through it, so that what reaches
    the layer says where it comes from, whatever views, slices and permutations lie between.

    Args:
        model: In evaluation mode.
        channels: Channels of the images.
        image_size: Height and width in pixels.

    Returns:
        The layer.

    Raises:
        NormscopeError: If anything but one convolution, linear layer or BatchNorm reads pixels,
            if that layer is used more than once, or if it mixes channels in one feature.
    """
    parameter = next(model.parameters(), torch.empty(0))
    numbers = torch.arange(1, channels + 1, dtype=parameter.dtype, device=parameter.device)
    image = numbers.reshape(1, -1, 1, 1).expand(2, -1, *image_size).contiguous()
    watch = _Watch(image)
    calls = _Calls(model, watch)
    try:
        with torch.no_grad(), watch:
            model(image)
    except (RuntimeError, ValueError) as error:
        raise NormscopeError(
            f"the model must take images of shape {tuple(image.shape[1:])}, got: "
            f"{(str(error).splitlines() or ['an error'])[0]}. Give its --image-size and --channels."
        ) from error
    finally:
        calls.remove()
    return _only_entry(model, watch, calls, channels)


class _Watch(TorchDispatchMode):
    """Follows the image through views and copies to whatever computes with it."""

    def __init__(self, image: Tensor) -> None:
        super().__init__()
        # Tensors are kept, so that no later one can take their place in memory.
        self.copies = [image]
        self.storages = {_storage(image)}
        self.inside: list[nn.Module] = []
        self.readers: list[tuple[nn.Module | None, str]] = []

    def holds_image(self, value: Any) -> bool:
        """Whether a value is the image or a moved copy of it."""
        return isinstance(value, Tensor) and _storage(value) in self.storages

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        name = func.overloadpacket.__name__
        if name in MEASURES or not any(map(self.holds_image, tensors)):
            return out
        results = [leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
        if self.inside:
            self.readers.append((self.inside[-1], name))
        elif name in MOVES and all(map(self._is_moved_or_index, tensors)):
            self.copies += results
            self.storages |= {_storage(result) for result in results}
        elif any(not self.holds_image(result) for result in results) or _writes(func):
            self.readers.append((None, name))
        return out

    def _is_moved_or_index(self, tensor: Tensor) -> bool:
        return self.holds_image(tensor) or not tensor.is_floating_point()


class _Calls:
    """Tells the watch which foldable layer is at work, and keeps what each was given."""

    def __init__(self, model: nn.Module, watch: _Watch) -> None:
        self.given: dict[nn.Module, list[Tensor]] = {}
        self.watch = watch
        self.hooks = []
        for module in model.modules():
            if any(type(module).forward is kind.forward for kind in FOLDABLE):
                self.hooks += [
                    module.register_forward_pre_hook(self._enter),
                    module.register_forward_hook(self._leave),
                ]

    def _enter(self, module: nn.Module, given: tuple[Tensor, ...]) -> None:
        self.given.setdefault(module, []).append(given[0])
        self.watch.inside.append(module)

    def _leave(self, *_: object) -> None:
        self.watch.inside.pop()

    def remove(self) -> None:
        for hook in self.hooks:
            hook.remove()


def _only_entry(model: nn.Module, watch: _Watch, calls: _Calls, channels: int) -> Entry:
    names = {module: name for name, module in model.named_modules()}
    readers = list(dict.fromkeys(watch.readers))
    foreign = [operation for module, operation in readers if module is None]
    if foreign:
        raise NoExactFold(f"the network computes with the pixels by '{foreign[0]}'")
    layers = list(dict.fromkeys(module for module, _ in readers if module is not None))
    if not layers:
        raise NoExactFold("no layer reads the pixels")
    if len(layers) > 1:
        raise NoExactFold(f"{len(layers)} layers do ({', '.join(names[m] for m in layers)})")
    (layer,) = layers
    if len(calls.given[layer]) > 1:
        raise NoExactFold(f"{names[layer]} is used {len(calls.given[layer])} times")
    return Entry(names[layer], layer, _features(calls.given[layer][0], layer, channels))


def _features(given: Tensor, layer: nn.Module, channels: int) -> tuple[int, ...]:
    rows = given.movedim(-1 if isinstance(layer, nn.Linear) else 1, 0).flatten(1)
    if (rows != rows[:, :1]).any():
        raise NoExactFold("channels meet in one of its features")
    return tuple(min(channels, max(1, round(value))) - 1 for value in rows[:, 0].tolist())


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _writes(func: Callable) -> bool:
    return func._schema.is_mutable  # type: ignore[attr-defined]
