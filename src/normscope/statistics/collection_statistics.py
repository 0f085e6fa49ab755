"""The statistics of a collection, as numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from normscope.errors import NormscopeError
from normscope.normalization import Normalization

if TYPE_CHECKING:
    import numpy as np

    from normscope.images.decoded import Skipped
    from normscope.statistics.estimators import Estimate
    from normscope.statistics.provenance import Explanation

NAMES = {1: ("grey",), 3: ("red", "green", "blue")}


@dataclass(frozen=True, eq=False)
class CollectionStatistics:
    """What the pixels of a collection are like.

    Means, stds and quantiles are in units of pixel value over ``scale``; minimum and maximum are
    the pixels' own values.

    Attributes:
        name: The source as the user named it.
        images: How many images were read.
        pixels: Their height times width, summed.
        counted: Pixels counted in each channel, less than ``pixels`` where some are excluded.
        dtype: The pixels' type.
        scale: What pixels were divided by.
        mean: Over all pixels.
        std: Over all pixels, around that mean, divisor n.
        mean_image_std: The mean over images of each image's own std.
        root_mean_image_variance: The root of the mean over images of each image's own variance.
        batch_mean: The average over batches of the batch mean, or None if not asked for.
        batch_std: The root of the average over batches of the batch variance, or None.
        minimum: Of each channel.
        maximum: Of each channel.
        quantiles: Probability to one value per channel.
        clipped_low: Share of each channel's pixels at 0 or the type's minimum.
        clipped_high: Share at the scale or above.
        histogram: int64, shape ``(C, bins)``.
        grey_images: How many grey images count as colour ones.
        skipped: Images that could not be read, with why.
        notes: Sentences on what to beware of.
        explanations: Where the constants that were asked about come from.
        names_given: What the source calls the channels, or nothing.
    """

    name: str
    images: int
    pixels: int
    counted: tuple[int, ...]
    dtype: str
    scale: float
    mean: Estimate
    std: Estimate
    mean_image_std: Estimate
    root_mean_image_variance: Estimate
    batch_mean: Estimate | None
    batch_std: Estimate | None
    minimum: tuple[float, ...]
    maximum: tuple[float, ...]
    quantiles: dict[float, tuple[float, ...]]
    clipped_low: tuple[float, ...]
    clipped_high: tuple[float, ...]
    histogram: np.ndarray = field(repr=False)
    grey_images: int = 0
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    explanations: tuple[Explanation, ...] = ()
    names_given: tuple[str, ...] = ()

    @property
    def channels(self) -> int:
        """How many channels the images have."""
        return len(self.counted)

    @property
    def channel_names(self) -> tuple[str, ...]:
        """As the source calls them, or red, green and blue, or grey, or numbers from 0."""
        if len(self.names_given) == self.channels:
            return self.names_given
        return NAMES.get(self.channels) or tuple(str(c) for c in range(self.channels))

    @property
    def constant_channels(self) -> tuple[int, ...]:
        """The channels whose pixels are all the same."""
        return tuple(c for c, std in enumerate(self.std.value) if std == 0)

    @property
    def normalization(self) -> Normalization:
        """The pixel mean and std, to be used at once.

        Raises:
            NormscopeError: If a channel is constant, so that nothing can be divided by its std.
        """
        if self.constant_channels:
            channel = self.constant_channels[0]
            stds = ", ".join(f"{std:.6g}" for std in self.std.value)
            raise NormscopeError(
                f"std must be > 0 in every channel, got ({stds}): channel {channel} is constant. "
                "Drop the channel or give its std yourself."
            )
        return Normalization(self.mean.value, self.std.value)

    def to_json(self) -> dict[str, Any]:
        """Everything but the histogram, as JSON has it.

        Returns:
            Plain values; a list has one entry per channel, None where something is unknown.
        """
        from normscope.statistics.estimators import real_digits

        batch_mean, batch_std = self.batch_mean, self.batch_std
        return {
            "source": self.name,
            "images": self.images,
            "pixels": self.pixels,
            "counted": list(self.counted),
            "channels": self.channels,
            "channel_names": list(self.channel_names),
            "dtype": self.dtype,
            "scale": self.scale,
            "mean": list(self.mean.value),
            "std": list(self.std.value),
            "mean_se": list(self.mean.se),
            "std_se": list(self.std.se),
            "mean_image_std": list(self.mean_image_std.value),
            "mean_image_std_se": list(self.mean_image_std.se),
            "root_mean_image_variance": list(self.root_mean_image_variance.value),
            "root_mean_image_variance_se": list(self.root_mean_image_variance.se),
            "batch_mean": None if batch_mean is None else list(batch_mean.value),
            "batch_std": None if batch_std is None else list(batch_std.value),
            "min": list(self.minimum),
            "max": list(self.maximum),
            "quantiles": {str(p): list(values) for p, values in self.quantiles.items()},
            "clipped_low": list(self.clipped_low),
            "clipped_high": list(self.clipped_high),
            "digits": {
                "mean": [real_digits(se) for se in self.mean.se],
                "std": [real_digits(se) for se in self.std.se],
            },
            "grey_images": self.grey_images,
            "skipped": [{"path": str(s.path), "reason": s.reason} for s in self.skipped],
            "notes": list(self.notes),
            "explanations": [explanation.to_json() for explanation in self.explanations],
        }
