"""One trial from a user's words: what ``normscope train`` does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from normscope.errors import NormscopeError
from normscope.keywords import as_text
from normscope.machine.cores import available_cores
from normscope.options import by_keywords, callback
from normscope.progress import watched
from normscope.trials.options import TrainOptions
from normscope.trials.preparation import resolve
from normscope.trials.result import FinishedTrial

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy import ndarray

    from normscope.images.decoded import DecodedSource
    from normscope.normalization import Normalization
    from normscope.trials.result import Epoch


@dataclass(frozen=True, kw_only=True)
class Training(TrainOptions):
    """A single trial with what is to be told of it."""

    on_image: Callable[[int, int], None] | None = callback(
        "Called with how many images are decoded and how many there are."
    )
    on_source: Callable[[DecodedSource], None] | None = callback(
        "Called with the images that could not be read, before training."
    )
    on_epoch: Callable[[Epoch], None] | None = callback("Called at the end of every epoch.")


@by_keywords(Training)
def train(training: Training) -> FinishedTrial:
    """Train one model under one normalization and test it.

    Returns:
        The trial's full specification (``spec``) with what it gave (``result``): ``accuracy`` is on
        test, in [0, 1].

    Raises:
        NormscopeError: If an option is wrong, the images cannot be used, or the model does not take
            them.
        WorkFailed: If an image cannot be read and ``strict`` holds.
    """
    from normscope.trials.enough_memory import check_memory
    from normscope.trials.running import run_trial

    norm = given_normalization(training.mean, training.std, training.norm)
    with watched(training.on_image, "images") as tell:
        prepared = resolve(
            replace(training, norm=norm),
            usual_threads=available_cores(),
            on_source=training.on_source,
            on_image=tell,
        )
    check_memory(prepared.trial, prepared.source)
    result = run_trial(prepared.trial, prepared.source, training.on_epoch)
    return FinishedTrial(prepared.trial, result)


def given_normalization(
    mean: str | float | Sequence[float] | ndarray | None,
    std: str | float | Sequence[float] | ndarray | None,
    norm: str | Normalization | None,
) -> str | Normalization | None:
    """What ``--mean``, ``--std`` and ``--norm`` say together.

    Args:
        mean: One number, or one per channel.
        std: Likewise.
        norm: A normalization or its name; excludes the other two.

    Returns:
        The ``MEAN/STD`` form, or ``norm`` as it is.

    Raises:
        NormscopeError: If the three do not say one thing.
    """
    if mean is None and std is None:
        return norm
    if norm is not None:
        raise NormscopeError(
            "a normalization must be given once, got --norm and also --mean or --std. "
            "Leave one of them out."
        )
    if mean is None or std is None:
        given, missing = ("--std", "--mean") if mean is None else ("--mean", "--std")
        raise NormscopeError(
            f"--mean and --std must be given together, got {given} alone. Add {missing}."
        )
    return f"{as_text(mean)}/{as_text(std)}"
