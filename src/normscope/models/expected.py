"""The normalization that a user's words stand for, and what a model's library says of its own."""

from __future__ import annotations

import warnings
from typing import Any

from normscope.arguments import for_caller
from normscope.errors import NormscopeError, UnknownName
from normscope.models.building import published
from normscope.models.claims import claims
from normscope.models.files.naming import names_program
from normscope.models.given import name_of
from normscope.models.preprocessing.claim import BGR
from normscope.normalization import PRESETS, Normalization

OF_STORED = 5
"""Both constants are from here on where pixels are not brought to [0, 1] before."""

CENTRED = 50
"""A mean from here on is of such pixels where they are only centred, with a std of 1, as Caffe and
Keras have it: 103.939, 116.779, 123.68."""

DIVIDING = 100
"""A std from here on divides such pixels, with a mean of 0 too; below 0 it is of HU or the like."""


def is_of_stored(normalization: Normalization) -> bool:
    """Whether constants can only be of pixels as they are stored, such as of 0..255."""
    mean, std = normalization.mean, normalization.std
    both = min(std) >= OF_STORED and max(mean) >= OF_STORED
    return (
        both
        or (min(std) >= 1 and min(mean) >= CENTRED)
        or (min(std) >= DIVIDING and min(mean) >= 0)
    )


def check_of_unit(normalization: Normalization, name: str = "--norm") -> Normalization:
    """Refuse constants of pixels of 0..255 where pixels are of [0, 1].

    Args:
        normalization: As it was given.
        name: What it was given as.

    Returns:
        The same.

    Raises:
        NormscopeError: If they are.
    """
    if is_of_stored(normalization):
        raise NormscopeError(_of_larger(normalization, name))
    return normalization


def warn_of_larger(normalization: Normalization) -> None:
    """Warn of what ``check_of_unit`` refuses, where any constants may be tried."""
    if is_of_stored(normalization):
        warnings.warn(_of_larger(normalization, for_caller("--norm")), RuntimeWarning, stacklevel=2)


def _of_larger(normalization: Normalization, name: str) -> str:
    mean, std = ([value / 255 for value in v] for v in (normalization.mean, normalization.std))
    return (
        f"{name} must be of pixels in [0, 1], got {normalization:.6g}, which is of larger "
        f"ones. If they are of 0..255, give {Normalization(mean, std):.6g}."
    )


def expected_normalization(model: str) -> Normalization | None:
    """What a model's library, or the file that it is, says that its weights expect.

    Args:
        model: As ``build_model`` takes it.

    Returns:
        The normalization, red first in whatever order the model takes channels; None where nothing
        says it.

    Raises:
        NormscopeError: If what a file says contradicts itself.
    """
    if not names_program(model):
        said = published(model)
        return said.claim.normalization if said and said.claim else None
    found = claims(model)
    if found.contradictions:
        raise NormscopeError(
            f"--norm model must be used with a file that does not contradict itself, got {model}: "
            f"{found.contradictions[0]} Give MEAN/STD."
        )
    claim = found.outside
    return None if claim is None else claim.outside


def stated_normalization(model: Any) -> Normalization:
    """What ``--norm model`` stands for.

    Args:
        model: As ``build_model`` takes it.

    Returns:
        What its library, or the file that it is, says that its weights expect, red first.

    Raises:
        NormscopeError: If neither says it.
    """
    expected = expected_normalization(model) if isinstance(model, str) else None
    if expected is None:
        raise NormscopeError(
            "--norm model must be used with a model whose library says what its weights expect, "
            f"got {name_of(model)}. Give MEAN/STD, or find it with normscope detect."
        )
    return expected


def takes_blue_first(model: Any) -> bool:
    """Whether a model's library, or the file that it is, says that it takes blue, green, red.

    Args:
        model: As ``build_model`` takes it.

    Returns:
        True where it says so; False too where nothing says anything.
    """
    if not isinstance(model, str):
        return False
    if not names_program(model):
        said = published(model)
        return said is not None and said.blue_first
    claim = claims(model).outside
    # What a model does inside is none of the order in which it is given channels.
    return claim is not None and not claim.inside and claim.order == BGR


def resolve_normalization(
    norm: str | Normalization, data: Normalization, model: Any = "lenet"
) -> Normalization:
    """The normalization that a user's words stand for.

    Args:
        norm: A normalization, its ``MEAN/STD`` form, a preset's name, ``"data"`` or ``"model"``.
        data: What ``"data"`` stands for.
        model: The model, by its name or itself, whose library says what ``"model"`` stands for.

    Returns:
        The normalization.

    Raises:
        UnknownName: If it is no name and has no slash.
        NormscopeError: If its values cannot be read, or are out of range.
    """
    if isinstance(norm, Normalization):
        return norm
    if norm == "data":
        return data
    if norm == "model":
        return stated_normalization(model)
    if "/" not in norm and norm not in PRESETS:
        raise UnknownName("--norm", norm, ["data", "model", *PRESETS], also="MEAN/STD")
    return Normalization.parse(norm)
