"""Photographs by class, and a network for them, that checks in the tests use."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from ..auditing.networks import TINTS

IMAGES = 12


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """One folder per class, of 32 x 32."""
    rng = np.random.default_rng(1)
    root = tmp_path_factory.mktemp("photos")
    for label, tint in enumerate(TINTS):
        folder = root / f"class{label}"
        folder.mkdir()
        for number in range(IMAGES):
            coarse = np.clip(tint + rng.normal(0, 60, (5, 5, 3)), 0, 255)
            smooth = cv2.resize(coarse, (32, 32), interpolation=cv2.INTER_CUBIC)
            noisy = np.clip(smooth + rng.normal(0, 25, smooth.shape), 0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(folder / f"{label}-{number}.png")
    return root
