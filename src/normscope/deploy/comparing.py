"""Does the folded model give the same outputs? Asked of random and of real images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from normscope.errors import NormscopeError, WorkFailed
from normscope.images.originals import find_originals, some_pixels, with_channels
from normscope.images.tensors import normalized
from normscope.models.copying import copied
from normscope.models.outputs import only_tensor
from normscope.normalization import Normalization

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from normscope.deploy.before import Fold
    from normscope.deploy.folding import Folded

RANDOM_IMAGES = 2
REAL_IMAGES = 16
"""How many of a folder's own are compared: each is one more forward pass in float64."""

EXACT = 1e-10
"""The largest difference in float64, in units of the outputs' own spread."""


def some_images(
    channels: int, image_size: tuple[int, int], folder: str | Path | None = None
) -> Tensor:
    """Random images, and real ones: a folder's, or two photographs that scikit-learn brings along.

    Args:
        channels: Channels of the images; photographs are grey for 1, and left out above 3.
        image_size: Height and width in pixels.
        folder: A folder or archive of real images; they are stretched to the size.

    Returns:
        uint8, shape ``(N, C, H, W)``.
    """
    generator = torch.Generator().manual_seed(0)
    shape = (RANDOM_IMAGES, channels, *image_size)
    images = torch.randint(256, shape, dtype=torch.uint8, generator=generator)
    if folder is not None:
        return torch.cat([images, torch.from_numpy(_of_folder(folder, channels, image_size))])
    if channels not in {1, 3}:
        return images
    return torch.cat([images, torch.from_numpy(_photographs(channels, image_size))])


def as_taken(folded: Fold, images: Tensor, dtype: torch.dtype) -> Tensor:
    """What a folded model is to be given for images.

    Args:
        folded: Says what it takes.
        images: uint8, shape ``(N, C, H, W)``.
        dtype: A floating point type.

    Returns:
        The images themselves for ``uint8`` and a scale of 1, else floating point.
    """
    if folded.takes == "uint8":
        return images if folded.scale == 1 else images.to(dtype) * folded.scale
    pixels = images.to(dtype) / 255
    if folded.takes != "none":
        pixels = normalized(pixels, Normalization.parse(folded.takes))
    return pixels * folded.scale


def largest_difference(
    model: nn.Module,
    folded: Folded,
    run: Callable[[Tensor], Tensor],
    images: Tensor,
    dtype: torch.dtype = torch.float32,
) -> tuple[float, float]:
    """How far the outputs for raw pixels are from those for normalized ones.

    Args:
        model: The original, of type ``dtype``.
        folded: Says what ``run`` takes and what was folded.
        run: The folded model, perhaps loaded from a file.
        images: uint8, shape ``(N, C, H, W)``.
        dtype: What the original computes in.

    Returns:
        The largest absolute difference of an output, and the standard deviation of the original's
        outputs to see it beside.
    """
    bytes_in_01 = images.to(dtype) / 255
    name = type(model).__name__
    with torch.no_grad():
        given = normalized(bytes_in_01, folded.normalization)
        expected = only_tensor(model(given), name).double()
        found = only_tensor(run(as_taken(folded, images, dtype)), name).double()
    return float((found - expected).abs().max()), float(expected.std())


def check_exact(model: nn.Module, folded: Folded, images: Tensor) -> float:
    """Compare in float64, where a fold that is exact shows nothing but rounding.

    Args:
        model: The original, of any type; not changed.
        folded: Its fold by ``fold(model.double(), ...)``, or of that type.
        images: uint8, shape ``(N, C, H, W)``.

    Returns:
        The largest absolute difference.

    Raises:
        NormscopeError: If the network's outputs are random.
        WorkFailed: If it is more than rounding can explain.
    """
    wide = copied(model).eval().double()
    difference, spread = largest_difference(wide, folded, folded.model, images, torch.float64)
    allowed = EXACT * max(1.0, spread)
    if not difference <= allowed:
        with torch.no_grad():
            one, other = (only_tensor(wide(images.double()), "the model") for _ in range(2))
        if (one - other).abs().max() > allowed * (1 + one.abs().max()):
            raise NormscopeError(
                "the network must give the same outputs for the same images in evaluation mode, "
                "got others each time. Mend it; a dropout may be on, as F.dropout(x) without "
                "training=self.training."
            )
        raise WorkFailed(
            f"the folded model must agree with the original to {EXACT:g} in float64, got a "
            f"difference of {difference:.3g}. Nothing was written; the network does something "
            "with its pixels that tracing did not see."
        )
    return difference


def _of_folder(folder: str | Path, channels: int, image_size: tuple[int, int]) -> np.ndarray:
    import cv2

    height, width = image_size
    stretched = []
    for pixels in some_pixels(find_originals(folder), REAL_IMAGES):
        image = with_channels(pixels, channels, str(folder)).transpose(1, 2, 0)
        smaller = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        stretched.append(smaller.reshape(height, width, channels).transpose(2, 0, 1))
    return np.stack(stretched)


def _photographs(channels: int, image_size: tuple[int, int]) -> np.ndarray:
    import cv2
    from sklearn.datasets import load_sample_images

    height, width = image_size
    photographs = [cv2.resize(p, (width, height)) for p in load_sample_images().images]
    return np.stack([p.transpose(2, 0, 1)[:channels] for p in photographs])
