"""The pixels of one image as the correct pipeline has them, and as mistaken ones do."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from normscope.auditing.applied import SQUARE, WHOLE
from normscope.images.decode import decode_8_bits, decode_as_8_bits
from normscope.images.exif import UPRIGHT, orientation_of, turned_upright
from normscope.images.originals import first_pixels, with_channels
from normscope.images.pixels import UnreadableImage
from normscope.images.resizing import resized
from normscope.images.size import Size

if TYPE_CHECKING:
    from collections.abc import Callable

    from normscope.images.originals import Originals
    from normscope.images.transform import ImageTransform

REFERENCE = "reference"

GRID = 8
"""Images are averaged to so many fields a side, which any way of resizing leaves nearly alone."""

JPEG_QUALITY = 75

PIXEL_MISTAKES = {
    "nearest": "nearest pixel, not bilinear",
    "bicubic": "bicubic, not bilinear",
    "no-antialias": "no antialiasing",
    "crop-only": "cropped, not resized",
    "exif": "Exif orientation the other way",
    "jpeg-75": f"saved again, JPEG quality {JPEG_QUALITY}",
}
"""The mistakes that need other pixels, each with what is done."""

UNCHANGED = "it changes no image here"
NO_EXIF = "no image carries an Exif orientation"
NO_RESIZE = "nothing is resized (no --resize)"


@dataclass(frozen=True)
class Views:
    """Parts of an image, so coarse that they are alike after any resize.

    Attributes:
        fields: Pixels in [0, 1] by what is shown, each of shape ``(C, GRID, GRID)``.
        ratio: Width by height of the whole image.
    """

    fields: dict[str, np.ndarray]
    ratio: float

    @classmethod
    def of(cls, pixels: np.ndarray) -> Views:
        """The whole image, and the largest square in its middle.

        Args:
            pixels: uint8, shape ``(C, H, W)``.

        Returns:
            The views.
        """
        height, width = pixels.shape[1:]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        square = pixels[:, top : top + side, left : left + side]
        return cls({WHOLE: _coarse(pixels), SQUARE: _coarse(square)}, width / height)


@dataclass(frozen=True)
class Prepared:
    """One image as the network may be given it.

    Attributes:
        pixels: uint8 of shape ``(C, H, W)`` by name: ``"reference"``, and each mistake that changes
            this image and keeps its size.
        coloured: Whether its file has more than one channel.
        views: Other parts of it that a pipeline under test may show, if asked for.
        turned: Whether it carries an Exif orientation that turns it.
    """

    pixels: dict[str, np.ndarray]
    coloured: bool
    views: Views | None
    turned: bool = False


@dataclass(frozen=True)
class Preparation:
    """What the correct pipeline does to an image before it is normalized.

    Attributes:
        transform: Its resize and crop.
        channels: How many channels the network takes.
        upright: Whether images are turned as their Exif orientation says. torchvision's loader
            leaves them as they are stored.
        full: The value of white in images of more than 8 bits; None where there are none.
    """

    transform: ImageTransform
    channels: int
    upright: bool = False
    full: float | None = None

    def in_words(self) -> str:
        """What is done, for people.

        Returns:
            A phrase.

        Example:
            >>> from normscope.images.transform import ImageTransform
            >>> Preparation(ImageTransform(256, 224), 3).in_words()
            'shorter side 256, centre crop 224'
        """
        resize, crop = self.transform.resize, self.transform.crop
        sized = f"resized to {resize}" if isinstance(resize, Size) else f"shorter side {resize}"
        done = [sized] * bool(resize) + [f"centre crop {crop}"] * bool(crop)
        done += ["turned upright"] * self.upright
        return ", ".join(done) or "images as they are"

    def size(self, originals: Originals) -> tuple[int, int]:
        """Height and width of what the network is given."""
        if self.transform.crop:
            return self.transform.crop, self.transform.crop
        height, width = self._sized(first_pixels(originals)).shape[1:]
        return height, width

    def why_not(self, mistake: str) -> str | None:
        """Why a mistake of pixels cannot be made with it.

        Args:
            mistake: One of ``PIXEL_MISTAKES``.

        Returns:
            The reason, or None where it can.
        """
        if mistake in {"nearest", "bicubic", "no-antialias", "crop-only"}:
            if self.transform.resize is None:
                return NO_RESIZE
            if mistake == "crop-only" and self.transform.crop is None:
                return "nothing is cropped (no --crop)"
        return None

    def why_unchanged(self, mistake: str) -> str:
        """Why a mistake of pixels that could be made has changed no image.

        Args:
            mistake: One of ``PIXEL_MISTAKES``.

        Returns:
            The reason.
        """
        if mistake != "exif":
            return UNCHANGED
        return NO_EXIF if self.transform.crop else f"{NO_EXIF} that keeps its size"

    def prepare(
        self,
        data: bytes,
        path: str,
        mistakes: frozenset[str] = frozenset(),
        *,
        with_views: bool = False,
    ) -> Prepared:
        """Decode an image once, and make of it what the network is given.

        Args:
            data: The file's bytes.
            path: What the image is called in errors.
            mistakes: Which of ``PIXEL_MISTAKES`` to make too.
            with_views: Whether other parts of it are wanted too.

        Returns:
            The pixels.

        Raises:
            UnreadableImage: If it cannot be decoded, or is smaller than the crop.
            NormscopeError: If it has more channels than the network takes.
        """
        decoded = decode_8_bits(data) if self.full is None else decode_as_8_bits(data, self.full)
        stored = decoded.values[0]
        orientation = orientation_of(data)
        turned = stored if orientation == UPRIGHT else turned_upright(stored, orientation)
        base, other = (turned, stored) if self.upright else (stored, turned)
        right = self._sized(base)
        ways: dict[str, Callable[[], np.ndarray]] = {
            "nearest": lambda: self._sized(base, interpolation="nearest"),
            "bicubic": lambda: self._sized(base, interpolation="bicubic"),
            "no-antialias": lambda: self._sized(base, antialias=False),
            "crop-only": lambda: resized(base[None], None, None, self.transform.crop)[0][0],
            "exif": lambda: right if other is base else self._sized(other),
            "jpeg-75": lambda: self._sized(_saved_as_jpeg(base)),
        }
        made = {name: ways[name]() for name in PIXEL_MISTAKES if name in mistakes}
        kept = {REFERENCE: right} | {
            name: pixels
            for name, pixels in made.items()
            if pixels.shape == right.shape and not np.array_equal(pixels, right)
        }
        fitting = {name: with_channels(p, self.channels, path) for name, p in kept.items()}
        views = Views.of(with_channels(base, self.channels, path)) if with_views else None
        return Prepared(fitting, len(stored) > 1, views, orientation != UPRIGHT)

    def _sized(
        self, pixels: np.ndarray, interpolation: str = "bilinear", antialias: bool = True
    ) -> np.ndarray:
        resize, crop = self.transform.resize, self.transform.crop
        height, width = pixels.shape[1:]
        if crop and not resize and min(height, width) < crop:
            raise UnreadableImage(f"{width} x {height} pixels is smaller than the crop of {crop}")
        if not resize and not crop:
            return pixels
        return resized(
            pixels[None], None, resize, crop, interpolation=interpolation, antialias=antialias
        )[0][0]


def _coarse(pixels: np.ndarray) -> np.ndarray:
    import cv2

    values = np.ascontiguousarray(pixels.transpose(1, 2, 0), np.float32)
    fields = cv2.resize(values, (GRID, GRID), interpolation=cv2.INTER_AREA)
    return np.atleast_3d(fields).transpose(2, 0, 1) / 255


def _saved_as_jpeg(pixels: np.ndarray) -> np.ndarray:
    from PIL import Image

    image = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
    written = io.BytesIO()
    image.save(written, "JPEG", quality=JPEG_QUALITY)
    return decode_8_bits(written.getvalue()).values[0]
