"""What the tortured commands read: small, and made in seconds."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from tests.fuzz.seeds import weights_files

if TYPE_CHECKING:
    from pathlib import Path

GRID = ["--mean", "0,0.5", "--std", "0.5,1", "--seeds", "2", "--survival", "3", "--epochs", "1"]
OVER = ["--over", "mean=-1:1", "--over", "std=0.1:1:log", "--replicates", "1", "--epochs", "1"]


def make_images(folder: Path) -> None:
    """Write photographs of two classes, many images for the statistics, and weights."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 30), ("val", 12)):
        for label, name in enumerate(("cats", "dogs")):
            place = folder / "photos" / split / name
            place.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 128, (8, 8, 1), np.uint8) + np.uint8(100 * label)
                Image.fromarray(pixels[..., 0]).save(place / f"{number}.png")
    for name in ("left", "right"):
        place = folder / "many" / name
        place.mkdir(parents=True)
        for number in range(300):
            first = place / f"{number - number % 20:03}.jpg"
            if number % 20:
                os.link(first, place / f"{number:03}.jpg")
            else:
                pixels = rng.integers(0, 256, (400, 400, 3), np.uint8)
                Image.fromarray(pixels).save(first, quality=95)
    (folder / "w.safetensors").write_bytes(weights_files()["w.safetensors"])


def make_inputs(folder: Path) -> None:
    """Write these, an ONNX file and a finished scan."""
    make_images(folder)
    for arguments in (
        ["fold", "lenet-bn", "--weights", "w.safetensors", "--norm", "none", "-o", "net.onnx",
         "--channels", "grey", "--image-size", "8"],
        ["scan", "photos", *GRID, "--out", "scanned", "--workers", "1"],
    ):  # fmt: skip
        subprocess.run(
            [sys.executable, "-m", "normscope", *arguments],
            cwd=folder, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
