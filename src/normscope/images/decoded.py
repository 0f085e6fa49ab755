"""Images decoded once and kept in the type they have: what trials train and test on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from normscope.errors import WorkFailed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True)
class Skipped:
    """An image that could not be read.

    Attributes:
        path: Where it lies.
        reason: Why it was skipped, in a few words.
    """

    path: Path
    reason: str

    @property
    def texts(self) -> list[str]:
        """Both as a row of text."""
        return [str(self.path), self.reason]


def check_all_read(name: str, skipped: Sequence[Skipped], strict: bool) -> None:
    """Refuse images that could not be read, where the user asked for that.

    Args:
        name: What they belong to.
        skipped: Those that could not be read.
        strict: Whether ``--strict`` was given.

    Raises:
        WorkFailed: If images were skipped and ``strict`` holds.
    """
    if strict and skipped:
        raise WorkFailed(
            f"every image of {name} must be readable under --strict, got {len(skipped)} that are "
            f"not, such as {skipped[0].path}: {skipped[0].reason}. Mend or remove them."
        )


@dataclass(frozen=True)
class Stored:
    """Where the pixels of a split lie in a file, and what was found when they were written.

    Attributes:
        file: The file.
        offset: Where they start in it, in bytes.
        digest: SHA-256 of the pixels, in hexadecimal.
        histogram: int64, shape ``(C, values)``: how often each value occurs; None of types wider
            than 16 bits.
    """

    file: Path | None
    offset: int
    digest: str
    histogram: np.ndarray | None


@dataclass(frozen=True)
class LabelledImages:
    """The images of one split with their labels.

    NumPy rather than torch, so that statistics need no torch and a memory-mapped file serves as
    well; ``torch.from_numpy`` shares the memory.

    Attributes:
        held: Shape ``(M, C, H, W)``: images that others may share, such as a mapped file's.
        labels: int64, shape ``(N,)``, each an index into the source's classes.
        stored: Where the held images come from, if that is a file.
        rows: int64, shape ``(N,)``: which of the held images these are; None for all.
    """

    held: np.ndarray
    labels: np.ndarray
    stored: Stored | None = None
    rows: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, ...]:
        """``(N, C, H, W)``."""
        return (len(self), *self.held.shape[1:])

    @property
    def pixels(self) -> np.ndarray:
        """Of that shape; a copy where they are some of the held images."""
        return self.held if self.rows is None else self.held[self.rows]

    def take(self, indices: np.ndarray) -> LabelledImages:
        """The images at these indices, in this order.

        Args:
            indices: Shape ``(K,)``.

        Returns:
            K images and their labels, without a copy of a pixel.
        """
        rows = np.asarray(indices) if self.rows is None else self.rows[indices]
        return LabelledImages(self.held, self.labels[indices], self.stored, rows)

    def in_memory(self) -> LabelledImages:
        """The same images apart from any file and any others, to be sent to another machine."""
        return LabelledImages(np.ascontiguousarray(np.asarray(self.pixels)), self.labels)

    def digest(self) -> str:
        """A digest of the pixels, without reading them again where it is known.

        Returns:
            SHA-256 in hexadecimal.
        """
        if self.stored is not None and self.rows is None:
            return self.stored.digest
        return hashlib.sha256(np.ascontiguousarray(self.pixels).data).hexdigest()

    def __reduce__(self) -> tuple[Any, ...]:
        # A worker process maps the same file in place of receiving a copy of it.
        if self.stored is None or self.stored.file is None:
            return LabelledImages, (self.pixels, self.labels)
        return _mapped, (self.held.shape, self.held.dtype, self.labels, self.stored, self.rows)


def _mapped(
    shape: tuple[int, ...],
    dtype: np.dtype,
    labels: np.ndarray,
    stored: Stored,
    rows: np.ndarray | None,
) -> LabelledImages:
    held = np.memmap(str(stored.file), dtype, "r", stored.offset, shape)
    return LabelledImages(held, labels, stored, rows)


@dataclass(frozen=True)
class DecodedSource:
    """A whole source in memory: its splits as they come, before any validation split is drawn.

    Attributes:
        name: The source as the user named it.
        classes: Their names, in the order of the labels.
        scale: Divides a pixel to bring it to [0, 1]: its type's or the source's own maximum.
        train: Images to train on.
        validation: Images to choose on, or None where the source has none of its own.
        test: Images to report on.
        skipped: Images that could not be read, with why.
        passed_over: A sentence on the files that are not images, or nothing.
        held_out: A sentence on where the test split comes from, where it was drawn here.
        noticed: Sentences on files that hold several images, and what they were taken for.
    """

    name: str
    classes: tuple[str, ...]
    scale: float
    train: LabelledImages
    validation: LabelledImages | None
    test: LabelledImages
    skipped: tuple[Skipped, ...] = ()
    passed_over: str = ""
    held_out: str = ""
    noticed: tuple[str, ...] = ()

    @property
    def channels(self) -> int:
        """How many channels each image has."""
        return self.train.shape[1]

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.train.shape[2], self.train.shape[3]

    def in_memory(self) -> DecodedSource:
        """The same source apart from any file, to be sent to another machine."""
        apart = {
            name: images.in_memory()
            for name in ("train", "validation", "test")
            if (images := getattr(self, name)) is not None
        }
        return replace(self, **apart)

    def fingerprint(self) -> str:
        """A digest of every pixel and label, so that a study can tell when its images changed."""
        digest = hashlib.sha256(repr((self.classes, self.scale)).encode())
        for split in (self.train, self.validation, self.test):
            if split is not None:
                digest.update(repr(split.shape).encode())
                digest.update(split.digest().encode())
                digest.update(np.ascontiguousarray(split.labels).data)
        return digest.hexdigest()[:16]
