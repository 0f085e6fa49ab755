"""The normalization that a user's words stand for, and what a model's library says of its own."""

from __future__ import annotations

from typing import Any

from normscope.errors import NormscopeError, UnknownName
from normscope.models.building import published
from normscope.models.claims import claims
from normscope.models.files.naming import names_program
from normscope.models.given import name_of
from normscope.normalization import PRESETS, Normalization


def expected_normalization(model: str) -> Normalization | None:
    """What a model's library, or the file that it is, says that its weights expect.

    Args:
        model: As ``build_model`` takes it.

    Returns:
        The normalization, or None where nothing says it.

    Raises:
        NormscopeError: If what a file says contradicts itself.
    """
    if not names_program(model):
        said = published(model)
        return said.normalization if said else None
    found = claims(model)
    if found.contradictions:
        raise NormscopeError(
            f"--norm model must be used with a file that does not contradict itself, got {model}: "
            f"{found.contradictions[0]} Give MEAN/STD."
        )
    return found.outside.outside if found.outside else None


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
