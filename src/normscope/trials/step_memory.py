"""How much memory one step of a training takes, found without taking any."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from normscope.machine.without_compiler import without_compiler

if TYPE_CHECKING:
    from torch import nn


class _Held(TorchDispatchMode):
    """Counts the bytes of all tensors that are alive; those that there were before do not count."""

    def __init__(self, before: set[int]) -> None:
        super().__init__()
        self.most = 0
        self._now = 0
        self._known = before

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor):
                self._note(tensor.untyped_storage())
        self.most = max(self.most, self._now)
        return out

    def _note(self, storage: torch.UntypedStorage) -> None:
        key, bytes_ = storage._cdata, storage.nbytes()
        if key not in self._known:
            self._known.add(key)
            self._now += bytes_
            weakref.finalize(storage, self._forget, key, bytes_)

    def _forget(self, key: int, bytes_: int) -> None:
        self._known.discard(key)
        self._now -= bytes_


def step_bytes(network: nn.Module, images: tuple[int, ...], classes: int) -> int:
    """The most that a step of plain training holds beside the weights themselves.

    The step is taken on torch's device ``meta``, whose tensors have a shape and no numbers: what
    is kept for the gradients, the gradients, and what is between.

    Args:
        network: In any state, which stays as it is.
        images: Of one batch, ``(N, C, H, W)``.
        classes: How many it tells apart.

    Returns:
        In bytes, without what the operations use inside.

    Raises:
        Exception: Whatever a network raises that needs numbers.
    """
    training = network.training
    held = {name: t.detach().to("meta") for name, t in _tensors(network)}
    for name, parameter in network.named_parameters():
        held[name].requires_grad_(parameter.requires_grad)
    counted = _Held({t.untyped_storage()._cdata for t in held.values()})
    network.train()
    try:
        with without_compiler(), counted:
            pixels = torch.empty(images, device="meta")
            labels = torch.empty(images[0], dtype=torch.int64, device="meta")
            output = torch.func.functional_call(network, held, (pixels,))
            F.cross_entropy(output[:, :classes], labels).backward()
    finally:
        network.train(training)
    return counted.most


def _tensors(network: nn.Module) -> list[tuple[str, torch.Tensor]]:
    return [*network.named_parameters(), *network.named_buffers()]
