"""The statistics of a collection, as numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from normscope.images.pixels import APPLIED
from normscope.statistics.estimators import as_normalization, real_digits
from normscope.statistics.percentiles import percentiles_to_json

if TYPE_CHECKING:
    import numpy as np

    from normscope.images.decoded import Skipped
    from normscope.normalization import Normalization
    from normscope.statistics.clipping import Clipped
    from normscope.statistics.estimators import Estimate
    from normscope.statistics.group_differences import GroupComparison
    from normscope.statistics.outliers import Outlier
    from normscope.statistics.percentiles import Percentile
    from normscope.statistics.provenance import Explanation

NAMES = {1: ("grey",), 3: ("red", "green", "blue")}


def channel_names(channels: int, said: tuple[str, ...] = ()) -> tuple[str, ...]:
    """What the files say; else red, green and blue, or grey, or numbers from 0."""
    return said or NAMES.get(channels) or tuple(str(c) for c in range(channels))


@dataclass(frozen=True, eq=False)
class CollectionNumbers:
    """What the pixels of a collection are like.

    Means, stds and quantiles are in units of pixel value over ``scale``; minimum, maximum,
    percentiles and what is called stored are in the pixels' own.

    Attributes:
        name: The source as the user named it.
        images: How many images were read.
        pixels: Their height times width, summed.
        counted: Pixels counted in each channel, less than ``pixels`` where some are excluded.
        dtype: The pixels' type.
        scale: What pixels were divided by.
        mean: Over all pixels.
        std: Over all pixels, around that mean, divisor n.
        stored_mean: The mean in the pixels' own units: Hounsfield units, counts, 0..255.
        stored_std: The std in the pixels' own units.
        unit: The name of that unit where the files say it, such as ``HU``, or None.
        mean_of_image_means: The mean over images of each image's own mean: small images weigh as
            much as large ones.
        sizes_differ: Whether images differ in how many pixels count, so that this is another mean.
        mean_image_std: The mean over images of each image's own std.
        root_mean_image_variance: The root of the mean over images of each image's own variance.
        batch_mean: The average over batches of the batch mean, or None if not asked for.
        batch_std: The root of the average over batches of the batch variance, or None.
        minimum: Of each channel.
        maximum: Of each channel.
        quantiles: Probability to one value per channel.
        percentiles: Of each channel, as ``numpy.percentile`` has them, by their numbers.
        clip: The statistics of the pixels once they are clipped, or None if not asked for.
        groups: The groups of images and how they differ, or None if not asked for.
        outliers: The images that stand out, the most unlike the rest first.
        above: Only pixels of a greater value were counted, if not None.
        mask: The folder of masks whose pixels alone were counted, or None.
        clipped_low: Share of each channel's pixels at 0 or the type's minimum.
        clipped_high: Share at the scale or above.
        histogram: int64, shape ``(C, bins)``.
        whole: As of ``Moments``: of wide pixels that are whole numbers a bin for each, else None.
        grey_images: How many grey images count as colour ones.
        nan: How many values are NaN and do not count.
        skipped: Images that could not be read, with why.
        notes: Sentences on what to beware of.
        explanations: Where the constants that were asked about come from.
        names: Of the channels, where all files say the same.
    """

    name: str
    images: int
    pixels: int
    counted: tuple[int, ...]
    dtype: str
    scale: float
    mean: Estimate
    std: Estimate
    stored_mean: Estimate
    stored_std: Estimate
    unit: str | None
    mean_of_image_means: Estimate
    sizes_differ: bool
    mean_image_std: Estimate
    root_mean_image_variance: Estimate
    batch_mean: Estimate | None
    batch_std: Estimate | None
    minimum: tuple[float, ...]
    maximum: tuple[float, ...]
    quantiles: dict[float, tuple[float, ...]]
    percentiles: dict[str, Percentile]
    clip: Clipped | None
    groups: GroupComparison | None
    outliers: tuple[Outlier, ...]
    above: float | None
    mask: str | None
    clipped_low: tuple[float, ...]
    clipped_high: tuple[float, ...]
    histogram: np.ndarray = field(repr=False)
    grey_images: int = 0
    nan: int = 0
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    explanations: tuple[Explanation, ...] = ()
    names: tuple[str, ...] = ()
    whole: np.ndarray | None = field(default=None, repr=False)

    @property
    def channels(self) -> int:
        """How many channels the images have."""
        return len(self.counted)

    @property
    def channel_names(self) -> tuple[str, ...]:
        """What the files call them; else red, green and blue, or grey, or numbers from 0."""
        return channel_names(self.channels, self.names)

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
        return as_normalization(self.mean.value, self.std.value)

    @property
    def kind_of_values(self) -> str:
        """What the pixels' own units are called: a unit, ``rescaled`` by a header, or ``stored``.

        In DICOM a stored value is one from before the slope and intercept.
        """
        rescaled = any(APPLIED in note for note in self.notes)
        return self.unit or ("rescaled" if rescaled else "stored")

    @property
    def errors_known(self) -> bool:
        """Whether there are images enough for standard errors."""
        return any(se is not None for se in self.mean.se)

    def to_json(self) -> dict[str, Any]:
        """Everything but the histogram, as JSON has it.

        Returns:
            Plain values; a list has one entry per channel, None where something is unknown.
        """
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
            "mean_of_image_means": list(self.mean_of_image_means.value),
            "mean_of_image_means_se": list(self.mean_of_image_means.se),
            **percentiles_to_json(self.percentiles, self.scale),
            "stored": {
                "unit": self.unit,
                "mean": list(self.stored_mean.value),
                "std": list(self.stored_std.value),
                "mean_se": list(self.stored_mean.se),
                "std_se": list(self.stored_std.se),
                **percentiles_to_json(self.percentiles, 1),
            },
            "clip": None if self.clip is None else self.clip.to_json(),
            "above": self.above,
            "mask": self.mask,
            "groups": None if self.groups is None else self.groups.to_json(),
            "outliers": [outlier.to_json() for outlier in self.outliers],
            "grey_images": self.grey_images,
            "nan": self.nan,
            "skipped": [{"path": str(s.path), "reason": s.reason} for s in self.skipped],
            "notes": list(self.notes),
            "explanations": [explanation.to_json() for explanation in self.explanations],
        }
