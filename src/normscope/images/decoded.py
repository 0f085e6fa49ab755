"""Images decoded once and kept as the bytes they are: what trials train and test on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
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


@dataclass(frozen=True)
class Stored:
    """Where the pixels of a split lie in a file, and what was found when they were written.

    Attributes:
        file: The file.
        offset: Where they start in it, in bytes.
        digest: SHA-256 of the pixels, in hexadecimal.
        histogram: int64, shape ``(C, 256)``: how often each value occurs.
    """

    file: Path | None
    offset: int
    digest: str
    histogram: np.ndarray


@dataclass(frozen=True)
class LabelledImages:
    """The images of one split with their labels.

    NumPy rather than torch, so that statistics need no torch and a memory-mapped file serves as
    well; ``torch.from_numpy`` shares the memory.

    Attributes:
        pixels: uint8, shape ``(N, C, H, W)``.
        labels: int64, shape ``(N,)``, each an index into the source's classes.
        stored: Where all these pixels come from, if that is a file.
    """

    pixels: np.ndarray
    labels: np.ndarray
    stored: Stored | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: np.ndarray) -> LabelledImages:
        """The images at these indices, in this order.

        Args:
            indices: Shape ``(K,)``.

        Returns:
            K images and their labels.
        """
        return LabelledImages(self.pixels[indices], self.labels[indices])

    def digest(self) -> str:
        """A digest of the pixels, without reading them again where it is known.

        Returns:
            SHA-256 in hexadecimal.
        """
        if self.stored is not None:
            return self.stored.digest
        return hashlib.sha256(np.ascontiguousarray(self.pixels).data).hexdigest()

    def __reduce__(self) -> tuple[Any, ...]:
        # A worker process maps the same file in place of receiving a copy of it.
        if self.stored is None or self.stored.file is None:
            return LabelledImages, (self.pixels, self.labels)
        return _mapped, (self.pixels.shape, self.labels, self.stored)


def _mapped(shape: tuple[int, ...], labels: np.ndarray, stored: Stored) -> LabelledImages:
    pixels = np.memmap(str(stored.file), np.uint8, "r", stored.offset, shape)
    return LabelledImages(pixels, labels, stored)


@dataclass(frozen=True)
class DecodedSource:
    """A whole source in memory: its splits as they come, before any validation split is drawn.

    Attributes:
        name: The source as the user named it.
        classes: Their names, in the order of the labels.
        scale: Divides a pixel to bring it to [0, 1]: 255, or the source's own maximum.
        train: Images to train on.
        validation: Images to choose on, or None where the source has none of its own.
        test: Images to report on.
        skipped: Images that could not be read, with why.
    """

    name: str
    classes: tuple[str, ...]
    scale: float
    train: LabelledImages
    validation: LabelledImages | None
    test: LabelledImages
    skipped: tuple[Skipped, ...] = ()

    @property
    def channels(self) -> int:
        """How many channels each image has."""
        return self.train.pixels.shape[1]

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.train.pixels.shape[2], self.train.pixels.shape[3]

    def fingerprint(self) -> str:
        """A digest of every pixel and label, so that a study can tell when its images changed.

        Returns:
            Sixteen hexadecimal digits.
        """
        digest = hashlib.sha256(repr((self.classes, self.scale)).encode())
        for split in (self.train, self.validation, self.test):
            if split is not None:
                digest.update(repr(split.pixels.shape).encode())
                digest.update(split.digest().encode())
                digest.update(np.ascontiguousarray(split.labels).data)
        return digest.hexdigest()[:16]
