"""Resize and crop as torchvision's evaluation transforms do."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from normscope.errors import NormscopeError
from normscope.images.decoded import LabelledImages
from normscope.images.luma import luma
from normscope.images.pixels import MAX_PIXELS, UnreadableImage
from normscope.images.resize_crop import keeps_bytes, resize_and_crop
from normscope.images.size import Size
from normscope.machine.without_compiler import import_torchvision

if TYPE_CHECKING:
    from torch import Tensor

    from normscope.images.decoded import DecodedSource
    from normscope.images.transform import ImageTransform

AT_ONCE = 1024

LARGE = 2**27
"""Values of an image that is resized some rows at a time."""

ROWS = 2**24
"""Values of these rows."""


def resized(
    values: np.ndarray,
    valid: np.ndarray | None,
    resize: int | Size | None,
    crop: int | None,
    *,
    interpolation: str = "bilinear",
    antialias: bool = True,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Bring the shorter side to a length or both to theirs, then keep a square around the centre.

    The interpolation is torchvision's own, bilinear with antialiasing unless another is asked for.
    A new pixel counts where all the pixels that it mixes count.

    Args:
        values: Shape ``(N, C, H, W)``.
        valid: Which pixels count, or None for all.
        resize: Length of the shorter side in pixels, a height and a width, or None to leave the
            size.
        crop: Side of the square in pixels, or None to keep everything.
        interpolation: ``"bilinear"``, ``"bicubic"`` or ``"nearest"``.
        antialias: Whether a new pixel mixes all the old ones that it covers.

    Returns:
        The new values, of the same type, and which of them count.

    Raises:
        UnreadableImage: If an image would become too large.
    """
    if resize is not None:
        _check_resized(values.shape[2], values.shape[3], resize)
    if _keeps_size(values.shape[2:], resize, crop):
        return values, valid  # torchvision takes a while to import
    target = None
    if values[:1].size > LARGE and antialias and interpolation != "nearest":
        # Floats that were rounded between the two steps would give other bits.
        target = _target(values.shape[2:], resize) if values.itemsize > 1 or keeps_bytes() else None
    if target is not None:
        resize = target
        pixels = _narrowed(values, target.width, interpolation)
    else:
        pixels = _as_tensor(values)
    pixels = _transformed(pixels, resize, crop, interpolation, antialias)
    if values.dtype == np.uint8:
        new = pixels.numpy()
    elif values.dtype.kind == "f":
        new = pixels.numpy().astype(values.dtype, copy=False)
    else:
        limits = np.iinfo(values.dtype)
        new = np.clip(np.rint(pixels.numpy()), limits.min, limits.max).astype(values.dtype)
    if valid is None:
        return new, None
    counted = _as_tensor(valid) if target is None else _narrowed(valid, target.width, "bilinear")
    # Weights add up to 1 within float32's rounding, and one missing pixel takes at least 1e-4.
    return new, _transformed(counted, resize, crop).numpy() > 1 - 1e-5


def _check_resized(height: int, width: int, resize: int | Size) -> None:
    if isinstance(resize, Size):
        if resize.height * resize.width > MAX_PIXELS:
            raise UnreadableImage(f"more than {MAX_PIXELS} pixels after --resize {resize}")
        return
    # A long thin image would become far larger than any that is decoded.
    short, long = sorted((height, width))
    if resize * (resize * long // short) > MAX_PIXELS:
        raise UnreadableImage(f"{width} x {height} pixels is too large after --resize {resize}")


def _keeps_size(shape: tuple[int, ...], resize: int | Size | None, crop: int | None) -> bool:
    sized = resize is None or resize in {min(shape), shape}
    return sized and (crop is None or shape == (crop, crop))


def transformed(source: DecodedSource, transform: ImageTransform) -> DecodedSource:
    """A source in memory with every image resized, cropped and given its channels.

    Args:
        source: Any source.
        transform: What is done to each image.

    Returns:
        The new source, or the same where nothing is done.

    Raises:
        NormscopeError: If it chooses among files, of which such a source has none.
    """
    if transform.choice:
        raise NormscopeError(
            f"--select and --bands must be used with files of images, got {source.name}. Leave "
            "them out."
        )
    if transform.scale is not None:
        source = replace(source, scale=float(transform.scale))
        transform = replace(transform, scale=None)
    if not transform.to_json():
        return source

    def changed(images: LabelledImages) -> LabelledImages:
        some = (images.pixels[i : i + AT_ONCE] for i in range(0, len(images), AT_ONCE))
        if transform.channels == "grey":
            some = map(luma, some)
        pixels = np.concatenate(
            [resized(part, None, transform.resize, transform.crop)[0] for part in some]
        )
        channels = 3 if transform.channels == "rgb" else pixels.shape[1]
        shape = (len(pixels), channels, *pixels.shape[2:])
        return LabelledImages(np.broadcast_to(pixels, shape), images.labels)

    validation = None if source.validation is None else changed(source.validation)
    return replace(
        source, train=changed(source.train), validation=validation, test=changed(source.test)
    )


def _target(shape: tuple[int, ...], resize: int | Size | None) -> Size | None:
    """The size that a large image gets where that makes it narrower; None elsewhere."""
    if resize is None:
        return None
    height, width = shape
    if not isinstance(resize, Size):
        long = int(resize * max(shape) / min(shape))  # as torchvision rounds it
        resize = Size(long, resize) if width <= height else Size(resize, long)
    # A single column is summed in another order where channels are interleaved.
    return resize if 1 < resize.width < width else None


def _narrowed(values: np.ndarray, width: int, interpolation: str) -> Tensor:
    """An image brought to a width, some rows at a time.

    torch resizes rows first and then columns, so that the same bits come out when that is done in
    two steps. At once it would take four bytes a pixel, and floats eight for each value.

    Returns:
        Shape ``(N, C, H, width)``.
    """
    import torch

    import_torchvision()
    from torchvision.transforms.v2 import InterpolationMode, functional

    height, mode = values.shape[2], InterpolationMode(interpolation)
    blocks = min(height, -(-values[:1].size // ROWS))
    ends = np.linspace(0, height, blocks + 1).astype(int).tolist()
    narrow = []
    for start, end in pairwise(ends):
        rows = _as_tensor(values[:, :, start:end])
        narrow.append(functional.resize_image(rows, [end - start, width], mode, antialias=True))
    return torch.cat(narrow, 2)


def _as_tensor(values: np.ndarray) -> Tensor:
    import torch

    if values.dtype == bool:
        return torch.from_numpy(np.ascontiguousarray(values, np.float32))
    if values.dtype in {np.dtype(np.uint8), np.dtype(np.float32), np.dtype(np.float64)}:
        # torch warns of read-only memory, which a mapped file is.
        return torch.from_numpy(values if values.flags.writeable else values.copy())
    return torch.from_numpy(values.astype(np.float64))


def _transformed(
    pixels,
    resize: int | Size | None,
    crop: int | None,
    interpolation: str = "bilinear",
    antialias: bool = True,
):
    import_torchvision()
    from torchvision.transforms.v2 import InterpolationMode, functional

    of_bytes = antialias and pixels.element_size() == 1
    if of_bytes and interpolation == "bilinear" and isinstance(resize, int) and crop is not None:
        kept = resize_and_crop(pixels, resize, crop)
        if kept is not None:
            return kept
    # The kernels themselves: what dispatches to them takes half as long as resizing a photograph.
    if resize is not None:
        mode = InterpolationMode(interpolation)
        size = list(resize) if isinstance(resize, Size) else [resize]
        short, long = sorted(pixels.shape[-2:])
        if of_bytes and (size == [1, 1] or (size == [1] and long < 2 * short)):
            # torch's kernel for interleaved bytes fails an assertion of its own at one pixel.
            whole = functional.resize_image(pixels.float(), size, mode, antialias=antialias)
            pixels = whole.round().clamp(0, 255).to(pixels.dtype)
        else:
            pixels = functional.resize_image(pixels, size, mode, antialias=antialias)
    return pixels if crop is None else functional.center_crop_image(pixels, [crop])
