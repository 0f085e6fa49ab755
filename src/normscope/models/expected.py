"""The normalization that a user's words stand for, and what a model's library says of its own."""

from __future__ import annotations

from typing import Any

from normscope.errors import NormscopeError, UnknownName
from normscope.models.building import published
from normscope.models.given import name_of
from normscope.normalization import PRESETS, Normalization


def expected_normalization(model: str) -> Normalization | None:
    """What a model's library says that its weights expect.

    Returns:
        The normalization, or None where the library publishes none.
    """
    said = published(model)
    return said.normalization if said else None


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
        expected = expected_normalization(model) if isinstance(model, str) else None
        if expected is None:
            raise NormscopeError(
                "--norm model must be used with a model whose library says what its weights "
                f"expect, got {name_of(model)}. Give the values yourself."
            )
        return expected
    if "/" not in norm and norm not in PRESETS:
        raise UnknownName("--norm", norm, ["data", "model", *PRESETS], also="MEAN/STD")
    return Normalization.parse(norm)
