"""Options taken over by name, where a function, a command and a dataclass have the same."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = TypeVar("Kind")


def by_name(kind: type[Kind], values: Mapping[str, Any]) -> Kind:
    """Make options of the values of the same names.

    A list of thirty arguments in their order would let two of them change places unseen.

    Args:
        kind: A dataclass.
        values: Holds each of its fields and perhaps more, such as ``locals()`` of a function whose
            parameters are the fields.

    Returns:
        The options.

    Example:
        >>> Pair = dataclasses.make_dataclass("Pair", ["mean", "std"])
        >>> by_name(Pair, {"std": 0.2, "mean": 0.5, "seed": 1})
        Pair(mean=0.5, std=0.2)
    """
    return kind(**{field.name: values[field.name] for field in dataclasses.fields(kind)})  # type: ignore[arg-type]
