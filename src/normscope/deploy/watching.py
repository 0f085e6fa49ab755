"""Every operation that reads an image while a network runs, and in which layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from normscope.deploy.padding import Padding, with_edges

if TYPE_CHECKING:
    from collections.abc import Mapping

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
FOLDABLE = (*CONVOLUTIONS, nn.Linear, *BATCH_NORMS)

MOVES = frozenset(
    {
        "_to_copy", "_unsafe_view", "_upsample_nearest_exact2d", "cat", "clone", "flip", "index",
        "index_select", "pixel_unshuffle", "reflection_pad2d", "repeat", "replication_pad2d",
        "roll", "stack", "upsample_nearest2d",
    }
)  # fmt: skip
"""Operations that put pixels elsewhere without changing them, besides all views."""

RESAMPLES = frozenset(
    {
        "_upsample_bicubic2d_aa", "_upsample_bilinear2d_aa", "upsample_bicubic2d",
        "upsample_bilinear2d",
    }
)  # fmt: skip
"""Operations whose every result is a mean of pixels of one channel, with weights that add to 1."""

ARITHMETIC = frozenset({"add", "div", "mul", "neg", "rsub", "sub"})
"""Operations that give a factor and an offset to pixels, if what else they read does not change."""

FOLLOWED = MOVES | RESAMPLES | {"im2col"}
"""What the image is followed through, but not once it is padded."""

ASKS = frozenset({"_local_scalar_dense", "equal"})
"""Operations that give Python a number or a truth value, on which anything may then depend."""

MEASURES = frozenset(
    {
        "empty_like", "full_like", "new_empty", "new_full", "new_ones", "new_zeros", "ones_like",
        "zeros_like",
    }
)  # fmt: skip
"""Operations that ask for the image's shape and type alone."""


class Watch(TorchDispatchMode):
    """Follows the image through views and copies to whatever computes with it.

    Args:
        image: Its pixels hold the number of their channel.
        owners: Which layer alone holds the weights in a memory.

    Attributes:
        computes: Whether the network itself gives pixels a factor or an offset before a layer.
    """

    follows_arithmetic = True

    def __init__(self, image: Tensor, owners: Mapping[int, nn.Module] | None = None) -> None:
        super().__init__()
        # Tensors are kept, so that no later one can take their place in memory.
        self.copies = [image]
        self.storages = {storage_of(image)}
        self.padded: dict[int, tuple[Tensor, Padding]] = {}
        self.padding_module: str | None = None
        self.at_work: list[nn.Module] = []
        self.convolved: dict[nn.Module, list[Convolved]] = {}
        self.readers: list[tuple[nn.Module | None, str]] = []
        self.used_elsewhere: set[nn.Module] = set()
        self.computes = False
        self._owners = owners or {}

    def holds_image(self, value: Any) -> bool:
        """Whether a value is the image or a moved copy of it."""
        return isinstance(value, Tensor) and storage_of(value) in self.storages

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        if torch.is_inference_mode_enabled() and func._can_decompose():  # elsewhere torch does it
            with self:
                return func.decompose(*args, **(kwargs or {}))
        out = func(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        results = [leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
        name = func.overloadpacket.__name__
        self._note_weights(tensors, results)
        if name in MEASURES or not any(map(self.holds_image, tensors)):
            return out
        module = self.at_work[-1] if self.at_work else None
        if module is not None and is_plain(module):
            self.readers.append((module, name))
        elif name == "constant_pad_nd" and self._follows_pad(*args):
            return self._pad(*args)
        elif name == "convolution" and module is not None and self._is_of_layer(module, args):
            made = Convolved(args, results[0], version_of(results[0]))
            self.convolved.setdefault(module, []).append(made)
            self.readers.append((module, name))
        elif name in FOLLOWED and any(map(self._is_padded, tensors)):
            self.readers.append((None, "constant_pad_nd"))
        elif _moves(name, args, results) and all(map(self._is_moved_or_index, tensors)):
            self._follow(results)
        elif self._is_arithmetic(name, args, kwargs or {}, tensors):
            self._follow(results)
            self.computes = True
        elif (
            any(not self.holds_image(result) for result in results)
            or func._schema.is_mutable
            or name in ASKS
        ):
            self.readers.append((None, name))
        return out

    def _is_of_layer(self, layer: nn.Module, args: tuple) -> bool:
        # Weights that are computed, as standardized ones, depend on the image only where a layer
        # has read it before.
        if not isinstance(layer, CONVOLUTIONS) or args[6] or any(map(self.holds_image, args[1:3])):
            return False
        return not self.readers or all(
            met is mine or (met is not None and mine is not None and torch.equal(met, mine))
            for met, mine in zip(args[1:3], (layer.weight, layer.bias), strict=True)
        )

    def _is_arithmetic(self, name: str, args: tuple, named: dict, tensors: list[Tensor]) -> bool:
        # Before a layer reads the image, all else that there is does not depend on it.
        own = storage_of(self.copies[0])
        return (
            self.follows_arithmetic
            and not self.readers
            and name.removesuffix("_") in ARITHMETIC
            and not (name.endswith("_") and storage_of(args[0]) == own)
            and sum(map(self.holds_image, tensors)) == 1
            and not any(map(self._is_padded, tensors))
            and (not name.startswith("div") or self.holds_image(args[0]))
            and named.get("rounding_mode") is None
        )

    def _follow(self, results: list[Tensor]) -> None:
        self.copies += results
        self.storages |= {storage_of(result) for result in results}

    def _note_weights(self, tensors: list[Tensor], results: list[Tensor]) -> None:
        """Note whose weights something computes with that is not the layer itself."""
        given = {storage_of(tensor) for tensor in tensors}
        owners = {self._owners[storage] for storage in given & self._owners.keys()}
        if owners and any(storage_of(result) not in given for result in results):
            self.used_elsewhere |= owners.difference(self.at_work)

    def _follows_pad(self, image: Tensor, sides: list[int], value: float = 0) -> bool:  # noqa: ARG002
        return image.ndim == 4 and len(sides) == 4

    def _pad(self, image: Tensor, sides: list[int], value: float = 0) -> Tensor:
        # By the edges instead, so that every place still says which channel it comes from.
        padded = with_edges(image, sides).contiguous()
        if storage_of(image) in self.padded:
            self.readers.append((None, "constant_pad_nd"))
        self.copies.append(padded)
        self.storages.add(storage_of(padded))
        said = Padding(tuple(sides), float(value), self.padding_module, bool(self.at_work))
        self.padded[storage_of(padded)] = (padded, said)
        return padded

    def _is_padded(self, tensor: Tensor) -> bool:
        return storage_of(tensor) in self.padded

    def _is_moved_or_index(self, tensor: Tensor) -> bool:
        return self.holds_image(tensor) or not tensor.is_floating_point()


class Convolved(NamedTuple):
    """What a convolution made of an image.

    Attributes:
        args: Of the operation: what it read, weights, bias, stride, padding, dilation, whether it
            is transposed, more padding, groups.
        answer: What it gave.
        version: How often that had been written to.
    """

    args: tuple
    answer: Tensor
    version: int

    @property
    def layer(self) -> nn.Module:
        """A layer that does this and nothing more."""
        _, weight, bias, stride, padding, dilation, _, _, groups = self.args
        kind = CONVOLUTIONS[weight.ndim - 3]
        layer = kind(
            weight.shape[1] * groups, len(weight), weight.shape[2:], stride, padding, dilation,
            groups, device="meta",
        )  # fmt: skip
        layer.weight = nn.Parameter(weight, requires_grad=False)
        layer.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)
        return layer

    def is_answer(self, answer: Any) -> bool:
        """Whether a module gives this and nothing more."""
        same = isinstance(answer, Tensor) and storage_of(answer) == storage_of(self.answer)
        return same and version_of(self.answer) == self.version


def is_plain(module: nn.Module) -> bool:
    """Whether a layer computes by its class's own code, and not by what replaces that."""
    kind = next(kind for kind in FOLDABLE if isinstance(module, kind))
    return all(
        getattr(type(module), name, None) is getattr(kind, name, None) and name not in vars(module)
        for name in ("forward", "_conv_forward")
    )


def owners_of_weights(model: nn.Module) -> dict[int, nn.Module]:
    """Which foldable layer alone holds the weights in a memory."""
    holders: dict[int, set[nn.Module]] = {}
    for module in model.modules():
        for name in ("weight", "bias"):
            parameter = module._parameters.get(name)
            if parameter is not None:
                holders.setdefault(storage_of(parameter), set()).add(module)
    return {
        storage: module
        for storage, (module, *others) in holders.items()
        if not others and isinstance(module, FOLDABLE)
    }


def storage_of(tensor: Tensor) -> int:
    """Which memory a tensor lies in; views share it."""
    return tensor.untyped_storage()._cdata


def version_of(tensor: Tensor) -> int:
    """How often a tensor has been written to; one of inference mode does not count it."""
    return 0 if tensor.is_inference() else tensor._version


def _moves(name: str, args: tuple, results: list[Tensor]) -> bool:
    if name == "im2col":  # which pads besides
        return not any(args[3])
    return name in MOVES | RESAMPLES and all(result.is_floating_point() for result in results)
