"""One array of a file that holds many, known by its header and read part by part."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from normscope.errors import NormscopeError, printable
from normscope.images.containers.axes import guessed_axes, named_axes
from normscope.images.containers.packing import Packing
from normscope.images.pixels import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

Box = tuple[slice, ...]
"""A part of an array: one slice for each axis, without steps."""

NUMBERS = "biuf"
MOST_COMPRESSED = 5000
"""No compression of real pixels comes near it; a header's claim that goes beyond is a bomb."""

LONGEST_NAME = 200
"""Characters that are shown of what a file calls an array."""

MOST_SHOWN_AXES = 8


@dataclass(frozen=True)
class Variable:
    """One array of a file.

    Attributes:
        file: The file's path.
        name: Its name in it.
        shape: Of all of it.
        dtype: Of what is stored.
        read: Reads a part, opening the file anew, so that any process can; None where ``load`` is.
        load: Opens all of it, in memory or mapped, where its format has no parts.
        dims: The axes' names, or nothing.
        chunks: What is stored and decoded as a whole, or None.
        packing: What stored values stand for.
        guess: What the axes are if neither their names nor the user says so.
        stored: Counts the bytes that it takes in the file, or None where all must be there.
        channel_names: Of each channel, or nothing.
        details: What the file says beside the name, as a FITS extension's.
        refusal: Why it cannot be read whatever is asked, as the end of a sentence; or nothing.
    """

    file: str
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    read: Callable[[Box], np.ndarray] | None = None
    load: Callable[[], np.ndarray] | None = None
    dims: tuple[str, ...] = ()
    chunks: tuple[int, ...] | None = None
    packing: Packing = field(default_factory=Packing)
    guess: Callable[[tuple[int, ...]], str] = guessed_axes
    stored: Callable[[], int] | None = None
    channel_names: tuple[str, ...] = ()
    details: str = ""
    refusal: str = ""

    @property
    def label(self) -> str:
        """What it is called, as the user would ask for it."""
        return f"{self.file}::{self._shown}" if self.name else self.file

    @property
    def described(self) -> str:
        """Its name, shape and type."""
        sizes = " x ".join(map(str, self.shape)) or "one value"
        if len(self.shape) > MOST_SHOWN_AXES:
            sizes = f"{len(self.shape)} axes"
        details = f"{printable(self.details[:LONGEST_NAME])}, " if self.details else ""
        kind = "records" if self.dtype.names else self.dtype
        return f"{self._shown} ({details}{sizes}, {kind})"

    @property
    def _shown(self) -> str:
        cut = "..." if len(self.name) > LONGEST_NAME else ""
        return f"{printable(self.name[:LONGEST_NAME])}{cut}"

    @property
    def may_be_images(self) -> bool:
        """Whether its header could be that of images."""
        return self.dtype.kind in NUMBERS and len(self.shape) > 1 and 0 not in self.shape

    @property
    def axes_are_named(self) -> bool:
        """Whether the file says which axes are rows and columns."""
        return bool(self.dims) and named_axes(self.dims) is not None

    def check(self) -> None:
        """Refuse what the header alone rules out.

        Raises:
            NormscopeError: If it holds no images, or claims more than could be there.
        """
        if self.refusal:
            raise NormscopeError(f"{self.label} {self.refusal}")
        if self.dtype.kind not in NUMBERS:
            kind = "records" if self.dtype.names else self.dtype
            raise NormscopeError(
                f"{self.label} must hold integers or floats, got {kind}. Ask for another array."
            )
        if not self.may_be_images:
            raise NormscopeError(
                f"{self.label} must have rows and columns, and no axis empty, got the shape "
                f"{self.shape}. Ask for another array."
            )
        if min(self.chunks or (1,)) < 1:
            raise NormscopeError(
                f"{self.label} must be stored in chunks that hold values, got chunks of no length "
                "along an axis. Store it again."
            )
        chunk = math.prod(self.chunks or ()) * self.dtype.itemsize
        if self.chunks and chunk > MAX_BYTES:
            raise NormscopeError(
                f"{self.label} must be stored in chunks of at most {MAX_BYTES} bytes, got chunks "
                f"of {chunk}. Store it again in smaller ones."
            )
        claimed = math.prod(self.shape) * self.dtype.itemsize
        if self.stored is not None and claimed > MAX_BYTES:
            there = self.stored()
            if claimed > MOST_COMPRESSED * there:
                raise NormscopeError(
                    f"{self.label} must hold the pixels that its header promises, got {there} "
                    f"bytes for {claimed} bytes of pixels. Check that the file is whole."
                )
