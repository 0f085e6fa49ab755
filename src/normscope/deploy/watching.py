"""Every operation that reads an image while a network runs, and in which layer."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from normscope.deploy.padding import Padding, with_edges

if TYPE_CHECKING:
    from collections.abc import Callable

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
FOLDABLE = (*CONVOLUTIONS, nn.Linear, *BATCH_NORMS)

MOVES = frozenset(
    {
        "_to_copy", "_unsafe_view", "cat", "clone", "flip", "index", "index_select",
        "pixel_unshuffle", "reflection_pad2d", "replication_pad2d", "roll", "stack",
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


class Watch(TorchDispatchMode):
    """Follows the image through views and copies to whatever computes with it."""

    def __init__(self, image: Tensor) -> None:
        super().__init__()
        # Tensors are kept, so that no later one can take their place in memory.
        self.copies = [image]
        self.storages = {storage_of(image)}
        self.padded: dict[int, tuple[Tensor, Padding]] = {}
        self.padding_module: str | None = None
        self.inside: list[nn.Module] = []
        self.around: list[nn.Module] = []
        self.convolved: dict[nn.Module, tuple[Tensor, Tensor]] = {}
        self.readers: list[tuple[nn.Module | None, str]] = []

    def holds_image(self, value: Any) -> bool:
        """Whether a value is the image or a moved copy of it."""
        return isinstance(value, Tensor) and storage_of(value) in self.storages

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
        elif name == "constant_pad_nd" and self._follows_pad(*args):
            return self._pad(*args)
        elif name == "convolution" and self._is_of_module(args):
            self.convolved[self.around[-1]] = (args[0], results[0])
            self.readers.append((self.around[-1], name))
        elif name in MOVES and any(storage_of(tensor) in self.padded for tensor in tensors):
            self.readers.append((None, "constant_pad_nd"))
        elif name in MOVES and all(map(self._is_moved_or_index, tensors)):
            self.copies += results
            self.storages |= {storage_of(result) for result in results}
        elif any(not self.holds_image(result) for result in results) or _writes(func):
            self.readers.append((None, name))
        return out

    def _follows_pad(self, image: Tensor, sides: list[int], value: float = 0) -> bool:  # noqa: ARG002
        return image.ndim == 4 and len(sides) == 4

    def _pad(self, image: Tensor, sides: list[int], value: float = 0) -> Tensor:
        # By the edges instead, so that every place still says which channel it comes from.
        padded = with_edges(image, sides).contiguous()
        if storage_of(image) in self.padded:
            self.readers.append((None, "constant_pad_nd"))
        self.copies.append(padded)
        self.storages.add(storage_of(padded))
        said = Padding(tuple(sides), float(value), self.padding_module, bool(self.around))
        self.padded[storage_of(padded)] = (padded, said)
        return padded

    def _is_of_module(self, args: tuple) -> bool:
        """Whether a convolution is what the module at work stands for, with its own weights."""
        if not self.around:
            return False
        module = self.around[-1]
        own = [getattr(module, "weight", None), getattr(module, "bias", None)]
        same = all(
            (met is None and mine is None)
            or (met is not None and mine is not None and storage_of(met) == storage_of(mine))
            for met, mine in zip(args[1:3], own, strict=True)
        )
        return same and tuple(args[4]) == tuple(getattr(module, "padding", ()))

    def _is_moved_or_index(self, tensor: Tensor) -> bool:
        return self.holds_image(tensor) or not tensor.is_floating_point()


class Calls:
    """Tells the watch which foldable layer is at work, and keeps what each was given."""

    def __init__(self, model: nn.Module, watch: Watch) -> None:
        self.given: dict[nn.Module, list[Tensor]] = {}
        self.watch = watch
        self.padders: list[nn.Module] = []
        self.hooks = []
        for name, module in model.named_modules():
            if any(type(module).forward is kind.forward for kind in FOLDABLE):
                self._hook(module, self._enter, self._leave)
            elif isinstance(module, CONVOLUTIONS):
                self._hook(module, self._begin, self._end)
            elif isinstance(module, nn.modules.padding._ConstantPadNd):
                self._hook(module, partial(self._name_padding, name), self._forget_padding)

    def _hook(self, module: nn.Module, before: Callable, after: Callable) -> None:
        self.hooks += [
            module.register_forward_pre_hook(before),
            module.register_forward_hook(after),
        ]

    def _name_padding(self, name: str, module: nn.Module, _: object) -> None:
        self.padders.append(module)
        self.watch.padding_module = name if self.padders.count(module) == 1 else None

    def _forget_padding(self, *_: object) -> None:
        self.watch.padding_module = None

    def _begin(self, module: nn.Module, _: object) -> None:
        self.watch.around.append(module)

    def _end(self, module: nn.Module, _: object, answer: Any) -> None:
        self.watch.around.pop()
        if module not in self.watch.convolved:
            return
        image, convolved = self.watch.convolved[module]
        self.given.setdefault(module, []).append(image)
        if not (isinstance(answer, Tensor) and storage_of(answer) == storage_of(convolved)):
            self.watch.readers.append((None, type(module).__name__))

    def _enter(self, module: nn.Module, given: tuple[Tensor, ...]) -> None:
        self.given.setdefault(module, []).append(given[0])
        self.watch.inside.append(module)

    def _leave(self, *_: object) -> None:
        self.watch.inside.pop()

    def remove(self) -> None:
        """Take the hooks away."""
        for hook in self.hooks:
            hook.remove()


def storage_of(tensor: Tensor) -> int:
    """Which memory a tensor lies in; views share it."""
    return tensor.untyped_storage()._cdata


def _writes(func: Callable) -> bool:
    return func._schema.is_mutable  # type: ignore[attr-defined]
