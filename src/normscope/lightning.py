"""A callback for Lightning that warns where batches are not normalized as they should be."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from normscope.checking.guarding import Guard
from normscope.checking.watching import warn_of
from normscope.errors import MissingExtra

if TYPE_CHECKING:
    from normscope.normalization import Normalization

PACKAGES = ("lightning.pytorch", "pytorch_lightning")
"""The same library under its two names, whose classes are not each other's."""


def _callback() -> Any:
    # What the caller has imported is what its Trainer is from.
    ordered = sorted(PACKAGES, key=lambda name: name not in sys.modules)
    for name in ordered:
        try:
            return importlib.import_module(f"{name}.callbacks").Callback
        except ModuleNotFoundError:
            continue
    raise MissingExtra("pytorch_lightning")


class NormalizationGuard(_callback()):
    """Looks at the first training batches, and warns once in one sentence.

    Args:
        norm: What they should be normalized with: ``MEAN/STD``, a name, or a ``Normalization``.
        batches: How many to look at.

    Raises:
        NormscopeError: If the normalization cannot be read, or no batch is to be looked at.
    """

    def __init__(self, norm: str | Normalization, *, batches: int = 3) -> None:
        super().__init__()
        self._guard = Guard(norm, batches)

    def on_train_batch_start(self, _trainer: Any, _module: Any, batch: Any, _index: int) -> None:
        """Look at a batch as the network is given it, on its device."""
        warn_of(self._guard.look(batch))

    def on_train_epoch_end(self, *_: Any) -> None:
        """Judge by the batches of a short epoch."""
        warn_of(self._guard.finish())
