"""Photographs, made by a fixed seed: labelled, of several sizes, some with an Exif orientation."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from normscope.images.exif import ORIENTATION

from .networks import TINTS

IMAGES = 8


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    rng = np.random.default_rng(1)
    root = tmp_path_factory.mktemp("photos")
    for label, tint in enumerate(TINTS):
        folder = root / "val" / f"class{label}"
        folder.mkdir(parents=True)
        for number in range(IMAGES):
            size = (72, 54) if number % 2 else (56, 80)
            coarse = np.clip(tint + rng.normal(0, 60, (5, 5, 3)), 0, 255)
            smooth = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
            noisy = np.clip(smooth + rng.normal(0, 25, smooth.shape), 0, 255).astype(np.uint8)
            exif = Image.Exif()
            if number == 3:
                exif[ORIENTATION] = 6
            Image.fromarray(noisy).save(folder / f"{number}.png", exif=exif)
    return root
