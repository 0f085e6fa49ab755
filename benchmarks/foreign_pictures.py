"""Collections of images that differ as those of a training and of its user do.

Photographs of objects (CIFAR-10), of scenes (ImageNet), close-ups cut from these, and digits; at
any size, in colour, grey as one channel or as three, and compressed anew.
"""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from normscope.images.opening import open_source

if TYPE_CHECKING:
    from pathlib import Path

SIDE = 160
"""Scenes are kept at this size; close-ups are the middle of them."""

CLOSE = 60
CIFAR_STEP = 8
"""Every eighth image of CIFAR-10 is enough."""

FOR_TRAINING = 0.7
LUMA = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True)
class Collection:
    """Which images, and in which form.

    Attributes:
        base: ``cifar``, ``animals``, ``vehicles`` (both of CIFAR), ``scenes``, ``close`` or
            ``digits``.
        size: Height and width in pixels.
        colour: ``colour``, ``grey`` (three equal channels) or ``one`` channel.
        quality: Of a JPEG that each image is compressed to once more, or None.
    """

    base: str
    size: int
    colour: str = "colour"
    quality: int | None = None


class Pictures:
    """All images in memory, split into those to train on and others.

    Args:
        data: Holds ``cifar10-jpeg/train.tar`` and ``imagenet-sample/val``.
        folder: Scenes are kept there once decoded.
    """

    def __init__(self, data: Path, folder: Path) -> None:
        digits = open_source("mnist").train
        rows = np.random.default_rng(0).permutation(len(digits))[:5000]
        self._held = {
            "cifar": _cifar(data / "cifar10-jpeg" / "train.tar"),
            "digits": (
                np.array(digits.pixels[rows]).transpose(0, 2, 3, 1), np.array(digits.labels[rows]),
            ),
            "scenes": _scenes(data / "imagenet-sample" / "val", folder / "scenes.npy"),
        }  # fmt: skip

    def take(
        self, wanted: Collection, training: bool, count: int, seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Some images of a collection.

        Args:
            wanted: Which.
            training: Of those to train on, or of the others.
            count: At most so many.
            seed: Which are chosen.

        Returns:
            Pixels, uint8, shape ``(N, C, H, W)``, and their classes.
        """
        held = {"animals": "cifar", "vehicles": "cifar", "close": "scenes"}
        images, labels = self._held[held.get(wanted.base, wanted.base)]
        order = np.random.default_rng(0).permutation(len(images))
        end = round(len(images) * FOR_TRAINING)
        rows = order[:end] if training else order[end:]
        vehicles = np.isin(labels, [0, 1, 8, 9])
        if wanted.base in {"animals", "vehicles"}:
            rows = rows[vehicles[rows] == (wanted.base == "vehicles")]
        rows = np.random.default_rng(seed).permutation(rows)[:count]
        made = np.stack([_made(images[row], wanted) for row in rows])
        return made.transpose(0, 3, 1, 2), labels[rows]


def _made(pixels: np.ndarray, wanted: Collection) -> np.ndarray:
    if wanted.base == "close":
        edge = (len(pixels) - CLOSE) // 2
        pixels = pixels[edge:-edge, edge:-edge]
    image = Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels)
    if image.size != (wanted.size, wanted.size):
        image = image.resize((wanted.size, wanted.size), Image.Resampling.BICUBIC)
    if wanted.quality is not None:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=wanted.quality)
        image = Image.open(file)
    values = np.asarray(image)
    if values.ndim == 3 and wanted.colour != "colour":
        values = np.rint(values @ LUMA).astype(np.uint8)
    if values.ndim == 2:
        values = np.repeat(values[..., None], 1 if wanted.colour == "one" else 3, 2)
    return values


def _cifar(archive: Path) -> tuple[np.ndarray, np.ndarray]:
    images, classes = [], []
    with tarfile.open(archive) as members:
        files = [member for member in members if member.isfile()]
        for member in files[::CIFAR_STEP]:
            with Image.open(members.extractfile(member)) as image:
                images.append(np.asarray(image.convert("RGB")))
            classes.append(member.name.split("/")[-2])
    return np.stack(images), np.unique(classes, return_inverse=True)[1]


def _scenes(folder: Path, kept: Path) -> tuple[np.ndarray, np.ndarray]:
    files = sorted(folder.rglob("*.JPEG"))
    if not kept.exists():
        np.save(kept, np.stack([_scene(file) for file in files]))
    # WordNet's numbers put kinds of things side by side: ten coarse classes.
    return np.load(kept), np.arange(len(files)) * 10 // len(files)


def _scene(file: Path) -> np.ndarray:
    with Image.open(file) as image:
        image.draft("RGB", (SIDE, SIDE))
        colour = image.convert("RGB")
    scale = SIDE / min(colour.size)
    size = tuple(max(SIDE, round(side * scale)) for side in colour.size)
    colour = colour.resize(size, Image.Resampling.BICUBIC)
    left, top = ((side - SIDE) // 2 for side in size)
    return np.asarray(colour.crop((left, top, left + SIDE, top + SIDE)))
