"""The pixels of one image as the correct pipeline has them, and as mistaken ones do."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from normscope.auditing.views import Views
from normscope.images.decode import as_bytes_are, decode_8_bits, decode_as_8_bits, decode_single
from normscope.images.exif import UPRIGHT, orientation_of, turned_upright
from normscope.images.originals import with_channels
from normscope.images.pixels import UnreadableImage
from normscope.images.resizing import resized
from normscope.images.scale import scale_of
from normscope.images.size import Size

if TYPE_CHECKING:
    from collections.abc import Callable

    from normscope.images.pixels import Pixels
    from normscope.images.transform import ImageTransform

REFERENCE = "reference"

JPEG_QUALITY = 75

PIXEL_MISTAKES = {
    "nearest": "nearest pixel, not bilinear",
    "bicubic": "bicubic, not bilinear",
    "no-antialias": "no antialiasing",
    "crop-only": "cropped, not resized",
    "exif": "Exif orientation the other way",
    "jpeg-75": f"saved again, JPEG quality {JPEG_QUALITY}",
    "high-byte": "cut to 8 bits, as cv2.imread does by itself",
    "clipped": "clipped at 255, as Pillow's convert does",
}
"""The mistakes that need other pixels, each with what is done."""

WHITE = 255
"""Of bytes, and of all others once they are on their scale."""

BYTES, DEEP = np.dtype(np.uint8), np.dtype(np.uint16)

OF_DEEP = {"high-byte", "clipped"}
"""Those that need files of 16 bits, and are not listed of bytes."""

UNCHANGED = "it changes no image here"
NO_EXIF = "no image carries an Exif orientation"
NO_RESIZE = "nothing is resized (no --resize)"


@dataclass(frozen=True)
class Prepared:
    """One image as the network may be given it.

    Attributes:
        pixels: By name, of shape ``(C, H, W)``: ``"reference"``, and each mistake that changes this
            image and keeps its size. uint8; of deeper images float32, in which white is 255.
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
        full: The value of white in images of more than 8 bits, which are brought to 8; None to
            leave them as deep as they are.
        scale: What the user divides pixels by; None for the largest value of their type, 1 of
            floats.
        depth: The type of the files' pixels.
    """

    transform: ImageTransform
    channels: int
    upright: bool = False
    full: float | None = None
    scale: float | None = None
    depth: np.dtype = BYTES

    def in_words(self, divisor: float = WHITE) -> str:
        """What is done, for people.

        Args:
            divisor: What pixels are divided by, which is not said of bytes.

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
        done += [f"divided by {divisor:.10g}"] * (self.depth != BYTES)
        return ", ".join(done) or "images as they are"

    def size(self, image: Pixels) -> tuple[int, int]:
        """Height and width of what the network is given of an image."""
        if self.transform.crop:
            return self.transform.crop, self.transform.crop
        height, width = self._sized(image.values[0]).shape[1:]
        return height, width

    def white(self, image: Pixels, path: str) -> float:
        """The value in a file that becomes 1.

        Args:
            image: As decoded.
            path: What it is called in errors.

        Returns:
            A divisor.

        Raises:
            NormscopeError: If floats leave [0, 1], or integers lie below 0, and no scale was given.
        """
        values = image.values
        if values.dtype == BYTES:
            return WHITE
        given = image.most if self.scale is None else self.scale
        ends = float(values.min()), float(values.max())
        return scale_of(given, values.dtype, ends, path, counts=True)

    def why_not(self, mistake: str) -> str | None:
        """Why a mistake of pixels cannot be made with it.

        Args:
            mistake: One of ``PIXEL_MISTAKES``.

        Returns:
            The reason, or None where it can.
        """
        if mistake in OF_DEEP and self.depth != DEEP:
            return f"the files hold {self.depth.name}"
        if mistake == "jpeg-75" and self.depth != BYTES:
            return "a JPEG has 8 bits"
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
            UnreadableImage: If it cannot be decoded, has other pixels, or is smaller than the crop.
            NormscopeError: If it has more channels than the network takes, or values that need a
                scale where none was given.
        """
        if self.full is not None:
            stored = read = decode_as_8_bits(data, self.full).values[0]
        elif self.depth == BYTES:
            stored = read = decode_8_bits(data).values[0]
        else:
            decoded = decode_single(data, self.depth)
            read = decoded.values[0]
            stored = as_bytes_are(read, self.white(decoded, path))
        orientation = orientation_of(data)

        def upright(pixels: np.ndarray) -> np.ndarray:
            return pixels if orientation == UPRIGHT else turned_upright(pixels, orientation)

        def raw() -> np.ndarray:
            return (upright(read) if self.upright else read).astype(np.float32)

        turned = upright(stored)
        base, other = (turned, stored) if self.upright else (stored, turned)
        right = self._sized(base)
        ways: dict[str, Callable[[], np.ndarray]] = {
            "nearest": lambda: self._sized(base, interpolation="nearest"),
            "bicubic": lambda: self._sized(base, interpolation="bicubic"),
            "no-antialias": lambda: self._sized(base, antialias=False),
            "crop-only": lambda: resized(base[None], None, None, self.transform.crop)[0][0],
            "exif": lambda: right if other is base else self._sized(other),
            "jpeg-75": lambda: self._sized(_saved_as_jpeg(base)),
            "high-byte": lambda: self._sized(raw() // (WHITE + 1)),
            "clipped": lambda: self._sized(np.minimum(raw(), WHITE)),
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


def _saved_as_jpeg(pixels: np.ndarray) -> np.ndarray:
    from PIL import Image

    image = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
    written = io.BytesIO()
    image.save(written, "JPEG", quality=JPEG_QUALITY)
    return decode_8_bits(written.getvalue()).values[0]
