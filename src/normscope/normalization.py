"""The value that everything revolves around: the mean and std that pixels are normalized with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from normscope.errors import ChannelMismatch, NormscopeError, UnknownName
from normscope.keywords import checked
from normscope.wording import check_at_least

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from torchvision.transforms.v2 import Normalize


@dataclass(frozen=True, init=False)
class Normalization:
    """A mean and a std per channel, in units of pixel value scaled to [0, 1].

    To normalize is to compute ``(pixel - mean) / std``. A normalization of one channel serves
    images of any number of channels: its one value holds for each of them.

    Attributes:
        mean: One number per channel.
        std: One number per channel, each greater than 0.

    Raises:
        NormscopeError: If a value is not a finite number, or a std is not greater than 0.
        ChannelMismatch: If mean and std have different numbers of channels, both above one.

    Example:
        >>> Normalization(0.5, (0.2, 0.25, 0.2))
        Normalization.parse('0.5,0.5,0.5/0.2,0.25,0.2')
        >>> Normalization.parse("imagenet").mean
        (0.485, 0.456, 0.406)
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __init__(self, mean: ArrayLike, std: ArrayLike) -> None:
        means, stds = _per_channel("mean", mean), _per_channel("std", std)
        if not means or not stds:
            raise NormscopeError(
                "mean and std must each hold at least one number, "
                f"got {len(means)} and {len(stds)}. Give one number, or one per channel."
            )
        channels = max(len(means), len(stds))
        means, stds = _broadcast(means, channels), _broadcast(stds, channels)
        if len(means) != len(stds):
            raise ChannelMismatch(
                "mean and std must have the same number of channels, "
                f"got {len(means)} and {len(stds)}. Give one number for all, or one per channel."
            )
        for channel, value in enumerate(means):
            if not math.isfinite(value):
                raise NormscopeError(
                    f"mean must be finite in every channel, got {_listed(means)}: "
                    f"channel {channel} is {value}. Give a finite mean."
                )
        for channel, value in enumerate(stds):
            if not (math.isfinite(value) and value > 0):
                raise NormscopeError(
                    f"std must be finite and > 0 in every channel, got {_listed(stds)}: "
                    f"channel {channel} is {value}. Give a std above 0."
                )
        object.__setattr__(self, "mean", means)
        object.__setattr__(self, "std", stds)

    @classmethod
    def parse(cls, text: str) -> Normalization:
        """Read the ``MEAN/STD`` form, each one number or one per channel, or a preset's name.

        ``parse(str(n)) == n`` for every normalization ``n``.

        Args:
            text: For example ``"0.1307/0.3081"``, ``"0.485,0.456,0.406/0.229,0.224,0.225"``
                or ``"imagenet"``.

        Returns:
            The normalization.

        Raises:
            UnknownName: If the text is not a preset's name and has no slash.
            NormscopeError: If its values cannot be read, or are out of range.

        Example:
            >>> Normalization.parse("0.5/0.25") == Normalization(0.5, 0.25)
            True
        """
        if isinstance(text, str) and text in PRESETS:
            return PRESETS[text]
        mean, slash, std = text.partition("/") if isinstance(text, str) else ("", "/", "")
        if not slash:
            raise UnknownName("normalization", text, PRESETS, also="MEAN/STD")
        try:
            means = [float(part) for part in mean.split(",")]
            stds = [float(part) for part in std.split(",")]
        except ValueError:
            raise NormscopeError(
                "normalization must be MEAN/STD, each one number or one per channel with commas, "
                f"got {text!r}. Write it like 0.5/0.25 or 0.485,0.456,0.406/0.229,0.224,0.225."
            ) from None
        return cls(means, stds)

    @property
    def channels(self) -> int:
        """How many channels it names; 1 fits any number."""
        return len(self.mean)

    @checked
    def for_channels(self, channels: int) -> Normalization:
        """The same normalization with one value for each of this many channels.

        Args:
            channels: Channels of the images that will be normalized.

        Returns:
            A normalization whose ``channels`` is the one asked for.

        Raises:
            ChannelMismatch: If it names another number of channels, above one.

        Example:
            >>> str(Normalization(0.5, 0.25).for_channels(3))
            '0.5,0.5,0.5/0.25,0.25,0.25'
        """
        check_at_least(1, channels, "channels")
        if self.channels not in (1, channels):
            fitting = "1 channel" if channels == 1 else f"1 or {channels} channels"
            raise ChannelMismatch(
                f"normalization must have {fitting} to fit the images, "
                f"got {self.channels} ({self}). Give one number for all, or one per channel."
            )
        return Normalization(_broadcast(self.mean, channels), _broadcast(self.std, channels))

    def reversed(self) -> Normalization:
        """The same normalization of channels that come in reverse order, as BGR for RGB.

        Returns:
            The means and stds from last to first.

        Example:
            >>> str(Normalization((0.1, 0.2, 0.3), 0.5).reversed())
            '0.3,0.2,0.1/0.5,0.5,0.5'
        """
        return Normalization(self.mean[::-1], self.std[::-1])

    @checked
    def relative_to(self, other: Normalization) -> Normalization:
        """The affine map from values normalized by ``other`` to values normalized by this one.

        Such a map is a normalization itself: normalizing the output of ``other`` by it gives what
        this normalization gives on the pixels.

        Args:
            other: What the values at hand were normalized with; either may have one channel.

        Returns:
            ``(value - mean) / std`` with ``mean = (self.mean - other.mean) / other.std`` and
            ``std = self.std / other.std``.

        Raises:
            ChannelMismatch: If both have several channels and not the same number.

        Example:
            >>> str(Normalization(0.5, 0.25).relative_to(Normalization(0, 0.5)))
            '1/0.5'
        """
        channels = max(self.channels, other.channels)
        new, old = self.for_channels(channels), other.for_channels(channels)
        return Normalization(
            [(m - n) / s for m, n, s in zip(new.mean, old.mean, old.std, strict=True)],
            [s / t for s, t in zip(new.std, old.std, strict=True)],
        )

    def normalize(self, pixels: np.ndarray) -> np.ndarray:
        """Normalize pixels in floating point.

        Args:
            pixels: Shape ``(..., C, H, W)``, scaled to [0, 1].

        Returns:
            The normalized pixels, same shape, at least float32.

        Raises:
            NormscopeError: If they are not such an array.
            ChannelMismatch: If C does not fit.

        Example:
            >>> Normalization(0.5, 0.25).normalize(np.array([[[1.0]]])).item()
            2.0
        """
        if not isinstance(pixels, np.ndarray) or pixels.ndim < 3:
            met = f"{type(pixels).__name__} {tuple(getattr(pixels, 'shape', ()))}"
            raise NormscopeError(
                f"pixels must be a NumPy array (..., C, H, W), got {met}. Reshape it; "
                "to_transform() takes tensors."
            )
        per_channel = self.for_channels(pixels.shape[-3])
        dtype = np.result_type(pixels, np.float32)
        mean = np.asarray(per_channel.mean, dtype).reshape(-1, 1, 1)
        std = np.asarray(per_channel.std, dtype).reshape(-1, 1, 1)
        return (pixels - mean) / std

    def to_transform(self) -> Normalize:
        """The same as a torchvision transform, for tensors scaled to [0, 1].

        Returns:
            A ``torchvision.transforms.v2.Normalize``.
        """
        from torchvision.transforms.v2 import Normalize

        return Normalize(list(self.mean), list(self.std))

    def to_json(self) -> dict[str, Any]:
        """The numbers as JSON has them: a number where there is one channel, else a list.

        Returns:
            A mapping with ``mean`` and ``std``.
        """
        if self.channels == 1:
            return {"mean": self.mean[0], "std": self.std[0]}
        return {"mean": list(self.mean), "std": list(self.std)}

    def __str__(self) -> str:
        return f"{_listed(self.mean)}/{_listed(self.std)}"

    def __format__(self, digits: str) -> str:
        if not digits:
            return str(self)
        return "/".join(",".join(format(v, digits) for v in vs) for vs in (self.mean, self.std))

    def __repr__(self) -> str:
        return f"Normalization.parse('{self}')"


def _per_channel(name: str, value: ArrayLike) -> tuple[float, ...]:
    try:
        numbers = np.atleast_1d(np.asarray(value, dtype=np.float64))
    except (TypeError, ValueError, OverflowError):
        numbers = np.empty((0, 0))
    if value is None or numbers.ndim != 1:
        met = " ".join(repr(value).split())[:80]
        raise NormscopeError(f"{name} must be a number, or one per channel, got {met}. Convert it.")
    return tuple(map(float, numbers))


def _broadcast(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    return values * channels if len(values) == 1 else values


def _listed(values: tuple[float, ...]) -> str:
    return ",".join(repr(v).removesuffix(".0") for v in values)


IMAGENET = Normalization((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""What torchvision's ImageNet weights expect.

"Computed from random subset of ImageNet training images", the subset lost: fb.resnet.torch,
``datasets/imagenet.lua`` (https://github.com/facebookarchive/fb.resnet.torch, 2016). The std is
not ImageNet's pixel std, which is near 0.27: see https://github.com/pytorch/vision/issues/1439.
"""

NONE = Normalization(0.0, 1.0)
"""No normalization: pixels stay in [0, 1]. The identity, by definition."""

BYTES = Normalization(0.0, 1 / 255)
"""What brings pixels of [0, 1] to 0..255: what a network sees that nobody normalized for."""

HALF = Normalization(0.5, 0.5)
"""Pixels brought to [-1, 1]: a choice of range, not a statistic.

Inception's preprocessing has it (https://github.com/tensorflow/models, ``research/slim``,
``inception_preprocessing.py``, 2016), and most vision transformers since.
"""

CLIP = Normalization((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
"""What CLIP's image encoders expect, recomputed by its authors on their own data.

https://github.com/openai/CLIP/issues/20 (2021); ``clip/clip.py`` holds the digits.
"""

MNIST = Normalization(0.1307, 0.3081)
"""The pixel mean and std of MNIST's 60,000 training images, to four digits.

https://github.com/pytorch/examples, ``mnist/main.py`` (2017). Exactly: 0.130660476274 and
0.308107803856.
"""

PRESETS: MappingProxyType[str, Normalization] = MappingProxyType(
    {"imagenet": IMAGENET, "none": NONE, "half": HALF, "clip": CLIP, "mnist": MNIST}
)
"""The normalizations that can be given by name."""
