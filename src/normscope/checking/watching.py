"""``normscope.watch``: a loader that warns where its batches are not what they should be."""

from __future__ import annotations

import sys
import types
import warnings
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from normscope.checking.guarding import Guard, NormalizationWarning
from normscope.checking.ranks import said_elsewhere
from normscope.keywords import checked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from torch.utils.data import DataLoader

    from normscope.normalization import Normalization

Batch = TypeVar("Batch")
Loader = TypeVar("Loader", bound="DataLoader[Any]")


class Watched(Generic[Batch]):
    """Iterates like the loader that it holds, and has its attributes.

    Args:
        loader: Any iterable of batches that is no ``DataLoader``.
        guard: Looks at the first ones.
    """

    def __init__(self, loader: Iterable[Batch], guard: Guard) -> None:
        vars(self).update(loader=loader, _guard=guard)

    def __iter__(self) -> Iterator[Batch]:
        return _looked_at(iter(self.loader), self._guard)

    def __repr__(self) -> str:
        return _described(self.loader, self._guard)

    def __len__(self) -> int:
        return len(self.loader)  # pyright: ignore[reportArgumentType] - where the loader has one

    def __bool__(self) -> bool:
        return bool(self.loader)  # else it would have to have a length

    def __getattr__(self, name: str) -> Any:
        if name in {"loader", "_guard"}:  # before they are there, as when it is copied
            raise AttributeError(name)
        return getattr(self.loader, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.loader, name, value)  # as trainings that end an augmentation do

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)


class _WatchedDataLoader:
    """In front of a ``DataLoader``'s own class: trainers do more for those than for iterables.

    The guard is the class's: Lightning makes such an object anew, to give it another sampler.
    """

    guard: Guard
    watched_class: Any

    def __iter__(self) -> Iterator[Any]:
        return _looked_at(self.watched_class.__iter__(self), self.guard)

    def __repr__(self) -> str:
        return _described(self.watched_class.__repr__(self), self.guard)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
        return _watched_data_loader, (self.watched_class, self.guard), vars(self)


def _watched_data_loader(of: Any, guard: Guard) -> Any:
    def fill(names: dict[str, Any]) -> None:
        names.update(guard=guard, watched_class=of, __module__=of.__module__)

    made: Any = types.new_class(of.__name__, (_WatchedDataLoader, of), exec_body=fill)
    return made.__new__(made)


def _looked_at(batches: Iterator[Batch], guard: Guard) -> Iterator[Batch]:
    try:
        for batch in batches:
            warn_of(guard.look(batch))
            yield batch
    finally:  # also where a training leaves its loop
        warn_of(guard.finish())


def _described(loader: object, guard: Guard) -> str:
    return f"<Watched: {loader}, which should give {guard.normalization:.4g}>"


@overload
def watch(loader: Loader, norm: str | Normalization, *, batches: int = 3) -> Loader: ...


@overload
def watch(
    loader: Iterable[Batch], norm: str | Normalization, *, batches: int = 3
) -> Watched[Batch]: ...


@checked
def watch(loader: Iterable[Any], norm: str | Normalization, *, batches: int = 3) -> Any:
    """Watch a training's first batches, and warn once if they are not normalized with ``norm``.

    Values are compared with the range that the normalization gives. That shows batches that are not
    normalized, normalized twice or with other constants, divided by 255 twice or not at all, or
    that hold NaN. Swapped channels show where red and blue have different means. Where several
    parts of a batch may be the images, one that is right is enough; what remains unclear, as of a
    few images of low contrast, is passed over in silence. A batch that cannot be read gives
    a warning, and never ends a training.

    Args:
        loader: Any iterable of batches, alone or with labels: images ``(N, C, H, W)`` or
            ``(N, H, W, C)``, videos with one axis more, or lists of images.
        norm: What the batches should be normalized with: ``MEAN/STD``, a name, or a
            ``Normalization``.
        batches: How many to look at; of a shorter loader, all.

    Returns:
        What gives the same batches, with a ``NormalizationWarning`` where they are wrong; where
        several processes train together, one warns. It has the loader's attributes, and of a
        ``DataLoader`` it is one itself, so that trainers take it for what it is.

    Raises:
        NormscopeError: If the normalization cannot be read, or no batch is to be looked at.

    Example:
        >>> import torch
        >>> sum(len(batch) for batch in watch([torch.rand(4, 3, 8, 8)], "none"))
        4
    """
    guard = Guard(norm, batches)
    data = sys.modules.get("torch.utils.data")
    if data is None or not isinstance(loader, data.DataLoader):
        return Watched(loader, guard)
    watched = _watched_data_loader(type(loader), guard)
    object.__setattr__(watched, "__dict__", vars(loader))  # what changes in one does in the other
    return watched


def warn_of(said: str | None) -> None:
    """Warn of what a guard says, if it does and no other process has.

    Args:
        said: Its sentence.
    """
    if said is not None and not said_elsewhere(said):
        warnings.warn(said, NormalizationWarning, stacklevel=3)
