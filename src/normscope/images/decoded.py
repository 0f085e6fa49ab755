"""Images decoded once and kept as the bytes they are: what trials train and test on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
class LabelledImages:
    """The images of one split with their labels.

    NumPy rather than torch, so that statistics need no torch and a memory-mapped file serves as
    well; ``torch.from_numpy`` shares the memory.

    Attributes:
        pixels: uint8, shape ``(N, C, H, W)``.
        labels: int64, shape ``(N,)``, each an index into the source's classes.
    """

    pixels: np.ndarray
    labels: np.ndarray

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
                digest.update(np.ascontiguousarray(split.pixels).data)
                digest.update(np.ascontiguousarray(split.labels).data)
        return digest.hexdigest()[:16]
