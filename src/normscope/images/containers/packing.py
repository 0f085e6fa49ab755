"""Stored values and those that they stand for: the attributes of the CF conventions."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from normscope.images.pixels import APPLIED, Pixels

if TYPE_CHECKING:
    from collections.abc import Mapping

SCALED = f"with a scale and offset in the header, {APPLIED}"
FILLED = "with pixels of the file's fill value, {}: these do not count"
BEYOND = "with pixels beyond the valid range that the header names: these do not count"


@dataclass(frozen=True)
class Packing:
    """How stored values are unpacked (CF conventions 1.11, sections 2.5.1 and 8.1).

    Attributes:
        missing: Stored values that hold nothing.
        low: Stored values below it hold nothing either, or None.
        high: Nor do those above, or None.
        scale: What stored values are multiplied by, in the attribute's own type, or None.
        offset: What is added to them then, or None.
        unsigned: Whether signed integers stand for unsigned ones.
    """

    missing: tuple[Any, ...] = ()
    low: Any = None
    high: Any = None
    scale: Any = None
    offset: Any = None
    unsigned: bool = False

    @classmethod
    def of(cls, attributes: Mapping[str, Any], unwritten: Any = None) -> Packing:
        """What the attributes of an array say.

        Args:
            attributes: By name, as the format's library reads them.
            unwritten: What holds nothing where no ``_FillValue`` names it, or None.

        Returns:
            The packing.
        """
        named = [v for key in ("_FillValue", "missing_value") for v in _numbers(attributes, key)]
        if unwritten is not None and "_FillValue" not in attributes:
            named.append(unwritten)
        low, high = (*_numbers(attributes, "valid_range"), None, None)[:2]
        scale, offset = (
            next((v for v in _numbers(attributes, key) if v != neutral), None)
            for key, neutral in (("scale_factor", 1), ("add_offset", 0))
        )
        unsigned = attributes.get("_Unsigned", "")
        unsigned = unsigned.decode() if isinstance(unsigned, bytes) else str(unsigned)
        return cls(
            tuple(named),
            next(iter(_numbers(attributes, "valid_min")), low),
            next(iter(_numbers(attributes, "valid_max")), high),
            scale,
            offset,
            unsigned.lower() == "true",
        )

    @property
    def is_plain(self) -> bool:
        """Whether every stored value counts and stands for itself."""
        return self == Packing()

    def unpacked(self, stored: np.ndarray) -> list[Pixels]:
        """The values of images.

        Args:
            stored: Shape ``(N, C, H, W)``.

        Returns:
            Their values in the type that NumPy gives them, and which of them count: images that
            are whole and those that are not, in turn, so that each is told by itself.
        """
        if self.is_plain:
            return [Pixels(stored)]
        if self.unsigned and stored.dtype.kind == "i":
            stored = stored.view(stored.dtype.str.replace("i", "u"))
        present, inside = self._present(stored), self._inside(stored)
        whole = (present & inside).all(axis=(1, 2, 3))
        edges = [0, *(np.flatnonzero(np.diff(whole)) + 1).tolist(), len(stored)]
        return [
            self._alike(stored[start:stop], present[start:stop], inside[start:stop])
            for start, stop in pairwise(edges)
        ]

    def _alike(self, values: np.ndarray, present: np.ndarray, inside: np.ndarray) -> Pixels:
        noticed: tuple[str, ...] = ()
        valid = present & inside
        if not present.all():
            named = ", ".join(dict.fromkeys(f"{value:g}" for value in self.missing))
            noticed += (FILLED.format(named),)
        if not inside[present].all():
            noticed += (BEYOND,)
        if self.scale is not None or self.offset is not None:
            noticed += (SCALED,)
            with np.errstate(over="ignore", invalid="ignore"):
                values = values if self.scale is None else values * self.scale
                values = values if self.offset is None else values + self.offset
        return Pixels(values, None if valid.all() else valid, noticed=noticed)

    def _present(self, stored: np.ndarray) -> np.ndarray:
        present = np.ones(stored.shape, bool)
        for value in self.missing:
            same = _as(value, stored.dtype)
            if same is not None:
                present &= stored != same
        return present

    def _inside(self, stored: np.ndarray) -> np.ndarray:
        inside = np.ones(stored.shape, bool)
        with np.errstate(invalid="ignore"):
            if self.low is not None:
                inside &= ~(stored < self.low)
            if self.high is not None:
                inside &= ~(stored > self.high)
        return inside


def _numbers(attributes: Mapping[str, Any], key: str) -> list[Any]:
    if key not in attributes:
        return []
    value = np.asarray(attributes[key]).reshape(-1)
    return list(value) if value.dtype.kind in "iuf" else []


def _as(value: Any, dtype: np.dtype) -> Any:
    # As the pixels' type has it: float32 keeps fewer digits than an attribute of float64.
    with np.errstate(over="ignore", invalid="ignore"):
        same = np.asarray(value).astype(dtype)[()]
    if dtype.kind == "f" or float(same) == float(value):
        return same
    signed = dtype.kind == "u" and float(value) < 0
    # An unsigned byte's fill value is written as the signed one of the same bits.
    return np.asarray(value).astype(dtype.str.replace("u", "i")).view(dtype)[()] if signed else None
