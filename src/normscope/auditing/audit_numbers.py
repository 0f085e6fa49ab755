"""What an audit measured, as plain data that needs no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from normscope.auditing.applied import AppliedNormalization
    from normscope.auditing.explaining import Explanation
    from normscope.auditing.pairing import Interval
    from normscope.images.decoded import Skipped
    from normscope.normalization import Normalization


@dataclass(frozen=True)
class Cost:
    """What one way to prepare the images gives, against the correct one.

    Attributes:
        accuracy: In [0, 1]; None without labels.
        lost: Accuracy of the reference less this; None without labels.
        interval: The 95 % interval of ``lost``, paired over images.
        disagreement: The share of images whose answer is another than the reference's, which
            ``lost`` cannot exceed.
        disagreement_interval: Its 95 % interval.
        drift: For each BatchNorm, how far the statistics of its batches lie from the running ones,
            in units of the running std; empty without BatchNorm.
        changed: How many images are given to the network otherwise.
    """

    accuracy: float | None
    lost: float | None
    interval: Interval | None
    disagreement: float
    disagreement_interval: Interval
    drift: dict[str, float]
    changed: int

    @property
    def mean_drift(self) -> float | None:
        """The mean over BatchNorms, where there are any and all are finite."""
        return mean_drift(self.drift)

    @property
    def ranked_by(self) -> tuple[float, float]:
        """What is worse is greater: accuracy lost where it is known, then disagreement."""
        return (self.disagreement if self.lost is None else self.lost, self.disagreement)

    def to_json(self) -> dict[str, Any]:
        """Every field by name, as plain values; a drift that is not finite becomes None."""
        return {
            "accuracy": self.accuracy,
            "lost": self.lost,
            "interval": _listed(self.interval),
            "disagreement": self.disagreement,
            "disagreement_interval": _listed(self.disagreement_interval),
            "drift": self.mean_drift,
            "drift_by_layer": _finite(self.drift),
            "changed_images": self.changed,
        }


@dataclass(frozen=True)
class Priced:
    """One mistake with its price.

    Attributes:
        name: As programs know it.
        description: What is done, in a few words.
        cost: What it gives; None where it cannot be made here.
        reason: Why it cannot.
    """

    name: str
    description: str
    cost: Cost | None
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Every field by name."""
        fields = ("accuracy", "lost", "interval", "disagreement", "drift")
        numbers: dict[str, Any] = dict.fromkeys(fields)
        if self.cost is not None:
            numbers = self.cost.to_json()
        return {
            "name": self.name,
            "description": self.description,
            **numbers,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class PipelineUnderTest:
    """The pipeline under test.

    Attributes:
        name: As the user named it.
        cost: What it gives.
        like: The mistake whose answers are nearest to its own, where one is nearer than the
            reference.
        agreement: On how many images in one they agree.
        fail_over: The most it may lose, if the user said so.
        applied: The normalization that it really applies; None where that cannot be told.
        differs: Whether that is another one than the reference's.
        mistake: What explains it, where a known mistake does.
        bytes_taken: Where it hands over bytes that are not normalized, whether the network takes
            them as they are; if not, something behind the pipeline makes floats of them.
    """

    name: str
    cost: Cost
    like: str | None
    agreement: float | None
    fail_over: float | None
    applied: AppliedNormalization | None = None
    differs: bool = False
    mistake: Explanation | None = None
    bytes_taken: bool | None = None

    @property
    def fails(self) -> bool:
        """Whether it loses more than it may.

        The estimate decides, not its interval: a test of software meets the same images every time,
        and few images, whose interval is wide, must not let a broken pipeline through. Without
        labels disagreement decides, which accuracy lost cannot exceed. Another normalization than
        the reference's fails whatever it costs: on few images that may be nothing.
        """
        if self.fail_over is not None and self.differs:
            return True
        measured = self.cost.disagreement if self.cost.lost is None else self.cost.lost
        return self.fail_over is not None and measured > self.fail_over

    def to_json(self) -> dict[str, Any]:
        """Every field by name."""
        return {
            "name": self.name,
            **self.cost.to_json(),
            "like": self.like,
            "agreement": self.agreement,
            "fail_over": self.fail_over,
            "applied": None if self.applied is None else self.applied.to_json(),
            "differs": self.differs,
            "mistake": None if self.mistake is None else vars(self.mistake),
            "bytes_taken": self.bytes_taken,
            "fails": self.fails,
        }


@dataclass(frozen=True)
class Reference:
    """The correct pipeline.

    Attributes:
        normalization: What the network expects, red first.
        accuracy: In [0, 1]; None without labels.
        interval: Its 95 % interval.
        drift: As for ``Cost``.
        blue_first: Whether the network takes blue, green, red, and is given that.
        white: What pixels of more than 8 bits are divided by; None where there are none.
        unused: What is said of integers that use little of their type, where that divides them.
    """

    normalization: Normalization
    accuracy: float | None
    interval: Interval | None
    drift: dict[str, float]
    blue_first: bool = False
    white: float | None = None
    unused: str = ""

    @property
    def mean_drift(self) -> float | None:
        """As for ``Cost``."""
        return mean_drift(self.drift)

    def to_json(self) -> dict[str, Any]:
        """Every field by name."""
        return {
            "normalization": self.normalization.to_json(),
            "order": "bgr" if self.blue_first else "rgb",
            "white": self.white,
            "accuracy": self.accuracy,
            "interval": _listed(self.interval),
            "drift": self.mean_drift,
            "drift_by_layer": _finite(self.drift),
        }


@dataclass(frozen=True)
class AuditNumbers:
    """What each usual mistake costs a network.

    Attributes:
        model: Its name.
        source: The folder of images.
        images: How many were tested.
        classes: How many classes their labels have; None without labels.
        most_frequent: The share of the images that are of the most frequent class, which needs no
            network to get right; None without labels.
        preparation: What is done to each image before it is normalized, in words.
        reference: The correct pipeline.
        mistakes: Worst first, then those that cannot be made here.
        tested: The pipeline under test, where there is one.
        skipped: Images that could not be used.
        options: What the user asked for, by the names of the options.
        settings: What it ran on: versions, hardware.
        seconds: How long it took.
    """

    model: str
    source: str
    images: int
    classes: int | None
    most_frequent: float | None
    preparation: str
    reference: Reference
    mistakes: list[Priced]
    tested: PipelineUnderTest | None
    skipped: tuple[Skipped, ...]
    options: dict[str, Any]
    settings: dict[str, Any]
    seconds: float

    @property
    def labelled(self) -> bool:
        """Whether accuracies are known."""
        return self.classes is not None

    @property
    def priced(self) -> list[Priced]:
        """The mistakes that can be made here, worst first."""
        return [mistake for mistake in self.mistakes if mistake.cost is not None]


def mean_drift(drift: dict[str, float]) -> float | None:
    """The mean over BatchNorms.

    Returns:
        None where there is no BatchNorm, or a distance is not finite.
    """
    values = list(drift.values())
    if not values or not all(map(math.isfinite, values)):
        return None
    return sum(values) / len(values)


def _listed(interval: Interval | None) -> list[float] | None:
    return None if interval is None else list(interval)


def _finite(drift: dict[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in drift.items()}
