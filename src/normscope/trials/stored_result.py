"""A result as it was stored, held against what a result is before anything is said of it."""

from __future__ import annotations

import base64
import math
from itertools import chain
from types import NoneType
from typing import Any, get_args

from normscope.trials.outcome import Outcome
from normscope.trials.result import TrialResult

NUMBER, MAYBE = (int, float), (int, float, NoneType)
KINDS: dict[str, tuple[type, ...]] = {
    "accuracy": NUMBER, "loss": MAYBE, "diverged": (bool,), "seconds": NUMBER, "precision": (str,),
    "device": (str,), "history": (list,), "correct": (str,), "test_images": (int,),
    "first_layer": (dict,), "environment": (dict,), "outcome": (str, NoneType), "curve": (list,),
    "curve_images": (int, NoneType), "steps": (int, NoneType), "chance": MAYBE,
    "died_at": (int, NoneType),
}  # fmt: skip
EPOCH = {"epoch", "train_loss", "validation_accuracy", "seconds"}
ACCURACIES = ("validation_accuracy", "test_accuracy")


def result_of(fields: Any) -> TrialResult:
    """The result that ``TrialResult.to_json`` gave.

    By hand rather than by cattrs, which takes a second for the curves of a thousand trials.

    Args:
        fields: As a database or an export holds them.

    Returns:
        The result.

    Raises:
        TypeError: If a field is missing, unknown or of another kind.
        ValueError: If a number is none that a trial can give.
    """
    if not isinstance(fields, dict):
        raise TypeError(f"a result that is {fields!r:.40}")
    for name, value in fields.items():
        _check_kind(value, KINDS.get(name, ()), name)
    result = TrialResult(**fields)
    _check_share(result.accuracy, "accuracy")
    if result.outcome is not None and result.outcome not in get_args(Outcome):
        raise ValueError(f"outcome '{result.outcome}'")
    if len(base64.b64decode(result.correct, validate=True)) != math.ceil(result.test_images / 8):
        raise ValueError(f"answers to other than {result.test_images} test images")
    _check_history(result.history)
    for point in result.curve:
        _check_kind(point, (list,), "curve")
        if len(point) != 2:
            raise ValueError(f"a point of the curve of {len(point)} numbers")
    for number in chain.from_iterable(result.curve):
        _check_kind(number, NUMBER, "curve")
    return result


def _check_history(history: list[Any]) -> None:
    for epoch in history:
        if not isinstance(epoch, dict) or not epoch.keys() >= EPOCH:
            raise TypeError(f"an epoch of the history that is {epoch!r:.40}")
        for name, value in epoch.items():
            _check_kind(value, MAYBE, name)
        for name in ACCURACIES:
            if epoch.get(name) is not None:
                _check_share(epoch[name], name)


def _check_kind(value: Any, kinds: tuple[type, ...], name: str) -> None:
    if type(value) not in kinds:
        raise TypeError(f"{name} that is {value!r:.40}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name} {value}")


def _check_share(value: float, name: str) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name} {value}")
