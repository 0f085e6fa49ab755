"""``normscope.watch``: a loader that warns where its batches are not what they should be."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from normscope.checking.guarding import Guard, NormalizationWarning
from normscope.keywords import checked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from normscope.normalization import Normalization

Batch = TypeVar("Batch")


class Watched(Generic[Batch]):
    """Iterates like the loader that it holds, and has its attributes.

    Args:
        loader: Any iterable of batches, such as a ``DataLoader``.
        guard: Looks at the first ones.
    """

    def __init__(self, loader: Iterable[Batch], guard: Guard) -> None:
        self.loader = loader
        self._guard = guard

    def __iter__(self) -> Iterator[Batch]:
        for batch in self.loader:
            warn_of(self._guard.look(batch))
            yield batch
        warn_of(self._guard.finish())

    def __repr__(self) -> str:
        norm = self._guard.normalization
        return f"<{type(self).__name__}: {self.loader!r}, which should give {norm:.4g}>"

    def __len__(self) -> int:
        return len(self.loader)  # pyright: ignore[reportArgumentType] - where the loader has one

    def __bool__(self) -> bool:
        return bool(self.loader)  # else it would have to have a length

    def __getattr__(self, name: str) -> Any:
        if name == "loader":  # before it is there, as when it is copied
            raise AttributeError(name)
        return getattr(self.loader, name)


@checked
def watch(
    loader: Iterable[Batch], norm: str | Normalization, *, batches: int = 3
) -> Watched[Batch]:
    """Watch a training's first batches, and warn once if they are not normalized with ``norm``.

    Values are compared with the range that the normalization gives. That shows batches that are not
    normalized, normalized twice or with other constants, divided by 255 twice or not at all, or
    that hold NaN. Swapped channels show where red and blue have different means. Where several
    parts of a batch may be the images, one that is right is enough; what remains unclear, as of a
    few images of low contrast, is passed over in silence. A batch that cannot be read is said, and
    never ends a training.

    Args:
        loader: Any iterable of batches, alone or with labels: images ``(N, C, H, W)`` or
            ``(N, H, W, C)``, videos with one axis more, or lists of images.
        norm: What the batches should be normalized with: ``MEAN/STD``, a name, or a
            ``Normalization``.
        batches: How many to look at; of a shorter loader, all.

    Returns:
        What gives the same batches, with a ``NormalizationWarning`` where they are wrong.

    Raises:
        NormscopeError: If the normalization cannot be read, or no batch is to be looked at.

    Example:
        >>> import torch
        >>> sum(len(batch) for batch in watch([torch.rand(4, 3, 8, 8)], "none"))
        4
    """
    return Watched(loader, Guard(norm, batches))


def warn_of(said: str | None) -> None:
    """Warn of what a guard says, if it does.

    Args:
        said: Its sentence.
    """
    if said is not None:
        warnings.warn(said, NormalizationWarning, stacklevel=3)
