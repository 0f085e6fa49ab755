"""What is seen of a training while it goes on: its curve, and when a survival trial may stop."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from normscope.machine.environment import describe_environment
from normscope.trials.outcome import Outcome, interval, judge, share_of_most_frequent
from normscope.trials.result import Epoch, TrialResult, finite_or_none, pack_bits

if TYPE_CHECKING:
    from normscope.images.decoded import DecodedSource, LabelledImages
    from normscope.trials.spec import TrialSpec

FIRST_PROBE = 8
PROBE_IMAGES = 256

SURVIVAL_INTERVAL = 16
"""Steps between the probes of a survival trial."""

PROBES_TO_LEAVE = 3
"""So many in succession above chance: over 32 more steps."""

SURVIVAL_TEST_IMAGES = 1000


class Looks:
    """When and on what images a training is looked at, apart from its epochs' ends.

    Nobody knows beforehand on what scale a training learns, so a first epoch is looked at after 8,
    16, 32, ... steps; a survival trial every 16 steps of all its epochs.

    Args:
        spec: The trial.
        source: Its images.

    Attributes:
        split: The one that the recipe chooses on: ``"validation"`` or ``"test"``.
        images: Its images, all looked at when an epoch ends.
        indices: Of those of them that are looked at before, evenly strided.
        tested: Indices of the test images that a trial of this kind is tested on; None for all.
        chance: Accuracy on test of the best constant answer.
    """

    def __init__(self, spec: TrialSpec, source: DecodedSource) -> None:
        validation = None if spec.recipe.selection == "test" else source.validation
        self.split = "test" if validation is None else "validation"
        self.images = source.test if validation is None else validation
        self.indices = strided(len(self.images), PROBE_IMAGES)
        self.tested = strided(len(source.test), SURVIVAL_TEST_IMAGES) if spec.survival else None
        self.chance = share_of_most_frequent(_taken(source.test, self.tested))
        self._survival = spec.survival
        # A constant answer must not seem to have left chance for the luck of these images.
        self._to_leave = max(self.chance, share_of_most_frequent(_taken(self.images, self.indices)))

    def due(self, step: int, epoch: int) -> bool:
        """Whether to look now."""
        if self._survival:
            return step % SURVIVAL_INTERVAL == 0
        return epoch == 1 and step >= FIRST_PROBE and not step & (step - 1)

    def above_chance(self, accuracy: float) -> bool:
        """Whether an accuracy on the images looked at is surely above chance."""
        images = len(self.indices)
        return interval(round(accuracy * images), images)[0] > self._to_leave


@dataclass(frozen=True)
class Evaluation:
    """How a model does on one split.

    Attributes:
        accuracy: In [0, 1].
        loss: Mean cross-entropy.
        correct: Which images it got right, bool, shape ``(N,)``.
    """

    accuracy: float
    loss: float
    correct: np.ndarray


def epoch_of(
    number: int, loss: float, seconds: float, validation: Evaluation | None, test: Evaluation | None
) -> Epoch:
    """An epoch from how a model did on the splits that were looked at when it ended."""
    return Epoch(
        epoch=number,
        train_loss=loss,
        validation_accuracy=validation.accuracy if validation else None,
        seconds=seconds,
        test_loss=test.loss if test else None,
        test_accuracy=test.accuracy if test else None,
    )


@dataclass
class Course:
    """One training's way.

    Attributes:
        looks: When it is looked at.
        survival: Whether it stops as soon as it is known whether it lives.
        history: Its epochs.
        curve: Pairs of a step and the accuracy after it.
        step: Steps taken or simulated.
        died_at: The step by which its death was proved.
        diverged: Whether a loss or an output was seen not to be finite.
        above: Probes in succession above chance.
    """

    looks: Looks
    survival: bool
    history: list[Epoch] = field(default_factory=list)
    curve: list[list[float]] = field(default_factory=list)
    step: int = 0
    died_at: int | None = None
    diverged: bool = False
    above: int = 0

    def probed(self, seen: Evaluation) -> None:
        """Take note of a look, on the images that ``looks`` names, between the epochs' ends."""
        self._add_point(seen.accuracy)
        self.above = self.above + 1 if self.looks.above_chance(seen.accuracy) else 0
        self.diverged |= self.survival and not np.isfinite(seen.loss)

    def ended_epoch(self, epoch: Epoch) -> None:
        """Take note of an epoch, whole or cut short."""
        self.history.append(epoch)
        self.diverged |= not np.isfinite(epoch.train_loss)
        if epoch.accuracy is not None:
            self._add_point(epoch.accuracy)

    @property
    def decided(self) -> bool:
        """Whether a survival trial knows all that it is to find out."""
        left = self.above >= PROBES_TO_LEAVE
        return self.survival and (left or self.died_at is not None or self.diverged)

    def result(
        self,
        spec: TrialSpec,
        test: Evaluation,
        first_layer: dict[str, dict[str, float | None]],
        seconds: float,
    ) -> TrialResult:
        """What the trial gave.

        Args:
            spec: The trial.
            test: On the test images that ``looks`` names.
            first_layer: Its numbers, ``initial`` and ``final``.
            seconds: What the trial took.

        Returns:
            The result.
        """
        self.diverged |= not np.isfinite(test.loss)
        return TrialResult(
            accuracy=test.accuracy,
            loss=finite_or_none(test.loss),
            diverged=bool(self.diverged),
            seconds=seconds,
            precision=spec.precision,
            device=spec.device,
            history=[epoch.to_json() for epoch in self.history],
            correct=pack_bits(test.correct),
            test_images=len(test.correct),
            first_layer=first_layer,
            environment=describe_environment(spec.device),
            outcome=self._outcome(test),
            curve=self.curve,
            curve_images=len(self.looks.images),
            steps=self.step,
            chance=self.looks.chance,
            died_at=self.died_at,
        )

    def _outcome(self, test: Evaluation) -> Outcome:
        if self.survival and not self.diverged and self.died_at is None:
            return "still learning" if self.above >= PROBES_TO_LEAVE else "stuck"
        return judge(
            [epoch.accuracy for epoch in self.history if epoch.accuracy is not None],
            accuracy=test.accuracy,
            test_images=len(test.correct),
            chance=self.looks.chance,
            epoch_images=len(self.looks.images),
            diverged=bool(self.diverged),
            died=self.died_at is not None,
        )

    def _add_point(self, accuracy: float) -> None:
        if self.curve and self.curve[-1][0] == self.step:
            self.curve.pop()
        self.curve.append([self.step, accuracy])


def strided(count: int, most: int) -> np.ndarray:
    """Evenly spaced indices, so that images sorted by class give every class its share.

    Args:
        count: How many images there are.
        most: How many to take at most.

    Returns:
        int64, ascending.

    Example:
        >>> strided(10, 4).tolist()
        [0, 2, 5, 7]
    """
    taken = min(count, most)
    return np.arange(taken) * count // taken


def _taken(images: LabelledImages, indices: np.ndarray | None) -> np.ndarray:
    return images.labels if indices is None else images.labels[indices]
