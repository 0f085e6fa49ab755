"""What the operations of a program compute with: the image, and the weights that it keeps."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from normscope.deploy.padding import with_edges
from normscope.deploy.watching import Watch, storage_of

COPIES = frozenset({"_to_copy", "clone"})
"""Operations that copy weights before they are used, as into another layout."""


class Operation(NamedTuple):
    """One operation that computes with the image."""

    name: str
    given: tuple[Any, ...]
    more: dict[str, Any]


class ProgramWatch(Watch):
    """Follows the image through a program, which has no layers to hook, to what computes with it.

    Zeros around the image are followed as moves are: they stay zeros where each channel's zero is
    subtracted in front of the program.

    Args:
        image: Its pixels hold the number of their channel.
    """

    follows_arithmetic = False

    def __init__(self, image: Tensor) -> None:
        super().__init__(image)
        self.operations: list[Operation] = []
        self.zeros_around = False
        self.uses: Counter[int] = Counter()  # of each memory, how often something computes with it
        self.copied: dict[int, tuple[Tensor, Tensor]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        known = len(self.readers)
        out = super().__torch_dispatch__(func, types, args, kwargs)
        name = func.overloadpacket.__name__
        if len(self.readers) > known:
            self.operations.append(Operation(name, args, kwargs or {}))
        given = [storage_of(t) for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)]
        made = {storage_of(t) for t in tree_leaves(out) if isinstance(t, Tensor)}
        if made:  # what gives a truth value alone, as a check of constants, changes nothing
            self.uses.update(storage for storage in given if storage not in made)
        if name in COPIES and not made & {*given, *self.storages}:
            self.copied[storage_of(out)] = (out, args[0])
        return out

    def _follows_pad(self, image: Tensor, sides: list[int], value: float = 0) -> bool:  # noqa: ARG002
        return value == 0

    def _pad(self, image: Tensor, sides: list[int], value: float = 0) -> Tensor:  # noqa: ARG002
        padded = with_edges(image, sides).contiguous()
        self.copies.append(padded)
        self.storages.add(storage_of(padded))
        self.zeros_around = True
        return padded

    def kept(self, weight: Tensor | None) -> Tensor | None:
        """What a program keeps of weights that an operation read, itself and not a copy of it.

        Args:
            weight: What the operation read.

        Returns:
            A view of the program's own memory; None if more than this operation reads it.
        """
        while weight is not None and self.uses[storage_of(weight)] == 1:
            if storage_of(weight) not in self.copied:
                return weight
            copy, source = self.copied[storage_of(weight)]
            weight = _same_view(weight, copy, source)
        return None


def _same_view(view: Tensor, copy: Tensor, source: Tensor) -> Tensor | None:
    """What a view of a copy is of the copy's source; None where that is laid out otherwise."""
    if view.shape == copy.shape and view.stride() == copy.stride():
        return source
    if source.stride() != copy.stride():
        return None
    place = view.storage_offset() - copy.storage_offset() + source.storage_offset()
    return source.as_strided(view.shape, view.stride(), place)


class Tap(TorchDispatchMode):
    """Keeps what the operation that reads some weights gives.

    Args:
        weight: As ``ProgramWatch.kept`` found them.
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.storages = {storage_of(weight)}
        self.copies: list[Tensor] = []
        self.found: list[Tensor] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        given = {storage_of(t) for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)}
        results = [leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
        moved = {storage_of(result) for result in results}
        if results and given & self.storages and not given & moved:
            if func.overloadpacket.__name__ in COPIES:
                self.copies.append(results[0])
                self.storages.add(storage_of(results[0]))
            else:
                self.found.append(results[0])
        return out
