"""What a trial gave, as plain data that is stored as it is."""

from __future__ import annotations

import base64
import dataclasses
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from normscope.arguments import for_caller
from normscope.notebook_html import HtmlTable, notebook_html
from normscope.trials import outcome as outcomes
from normscope.wording import counted, percent, share, span

if TYPE_CHECKING:
    from normscope.trials.outcome import Outcome
    from normscope.trials.spec import TrialSpec

EPOCH_NUMBERS = {"train_loss": "loss", "validation_accuracy": "accuracy on validation"}
"""What a table of epochs has, with its headings."""

SHOWN_CONFIDENCE = 0.95

DIVERGED = "The run diverged: a loss or an output is no longer finite."


@dataclass(frozen=True)
class Epoch:
    """What was seen at the end of one epoch.

    Attributes:
        epoch: Counted from 1.
        train_loss: Mean cross-entropy over the epoch's images as they were trained on.
        validation_accuracy: In [0, 1]; None where the recipe holds no images back.
        seconds: What the epoch took, its looks at validation and test included.
        test_loss: Mean cross-entropy on test, where the recipe looks at it.
        test_accuracy: In [0, 1], where the recipe looks at it.
    """

    epoch: int
    train_loss: float
    validation_accuracy: float | None
    seconds: float
    test_loss: float | None = None
    test_accuracy: float | None = None

    @property
    def accuracy(self) -> float | None:
        """On the split that the recipe looks at: test where it does, else validation."""
        return self.validation_accuracy if self.test_accuracy is None else self.test_accuracy

    def to_json(self) -> dict[str, Any]:
        """Its numbers by name, the test's only where the recipe looks at it.

        Returns:
            A mapping; a loss that is not finite becomes None, which JSON can hold.
        """
        numbers = {name: finite_or_none(value) for name, value in dataclasses.asdict(self).items()}
        if self.test_accuracy is None:
            del numbers["test_loss"], numbers["test_accuracy"]
        return numbers


@dataclass(frozen=True)
class TrialResult:
    """What a trial gave.

    Attributes:
        accuracy: On test, in [0, 1].
        loss: Mean cross-entropy on test; None when it is not finite.
        diverged: Whether a loss or an output stopped being finite.
        seconds: What the trial took, from building the model to its test.
        precision: What it was computed in.
        device: Where it was computed.
        history: One entry an epoch.
        correct: Which test images it got right, as packed bits in base64.
        test_images: How many test images it was tested on.
        first_layer: Mean and std of the first layer's weights and biases, ``initial`` and
            ``final``.
        environment: Versions, hardware and commit at the time it ran.
        outcome: What became of its training, one of ``Outcome``. None for a frozen network, and
            like the fields below for a trial that an earlier version stored.
        curve: Pairs of a step and the accuracy after it: on some images within the first epoch, on
            the whole split that the recipe chooses on when an epoch ends.
        curve_images: How many images that split has.
        steps: Training steps, those after a proved death included.
        chance: Share of the most frequent class among the test labels.
        died_at: The step by which its death was proved.
    """

    accuracy: float
    loss: float | None
    diverged: bool
    seconds: float
    precision: str
    device: str
    history: list[dict[str, Any]]
    correct: str
    test_images: int
    first_layer: dict[str, dict[str, float | None]]
    environment: dict[str, Any]
    outcome: Outcome | None = None
    curve: list[list[float]] = field(default_factory=list)
    curve_images: int | None = None
    steps: int | None = None
    chance: float | None = None
    died_at: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Every field by name, which ``TrialResult(**fields)`` reads back."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @property
    def tested(self) -> str:
        """Its accuracy, with what other images of the same kind may give instead."""
        n = self.test_images
        right = round(self.accuracy * n)
        ends = span(outcomes.interval(right, n, SHOWN_CONFIDENCE))
        return (
            f"accuracy {share(self.accuracy, n)} ({right:,} of {counted(n, 'image')}, "
            f"{percent(SHOWN_CONFIDENCE)} interval {ends})"
        )

    @property
    def fate(self) -> str:
        """What became of its training, in a sentence; empty where it is not known."""
        if self.outcome == "learned":
            return "It learned, and changed little in the last third of its epochs."
        if self.outcome == "still learning":
            return for_caller("Its curve has not settled: more --epochs may raise the accuracy.")
        if self.outcome == "stuck":
            one = f"always giving one answer ({self.chance:.4f})"
            if self.accuracy > (self.chance or 0.0):
                images = counted(self.test_images, "test image")
                return f"It counts as stuck: {images} cannot tell that from {one}."
            return f"It is stuck: no better than {one}."
        if self.outcome == "died":
            return (
                f"It died within {counted(self.died_at or 0, 'step')}: its answer no longer "
                "depends on the image, and no further step can change that."
            )
        # That it diverged is said apart, with --json too.
        return ""

    def correct_images(self) -> np.ndarray:
        """Which test images it got right: bool, shape ``(test_images,)``."""
        return unpack_bits(self.correct, self.test_images)

    def steps_to(self, accuracy: float) -> int | None:
        """The first step at which the curve reaches an accuracy.

        Returns:
            The step, interpolated between the curve's points; None where it is never reached.
        """
        return outcomes.steps_to(self.curve, accuracy)


@dataclass(frozen=True)
class FinishedTrial:
    """A trial with what it gave.

    Attributes:
        spec: The trial.
        result: What it gave.
    """

    spec: TrialSpec
    result: TrialResult

    @property
    def score(self) -> float:
        """What a choice between trials looks at, in [0, 1].

        The accuracy on validation after the last epoch, so that the one on test stays honest; on
        test where the recipe holds no images back.
        """
        history = self.result.history
        if self.spec.recipe.selection == "test" or not history:
            return self.result.accuracy
        seen = history[-1]["validation_accuracy"]
        return self.result.accuracy if seen is None else seen

    @property
    def sentence(self) -> str:
        """What was trained, and what it gave."""
        spec, result = self.spec, self.result
        under = f"{spec.model} on {spec.source} under {spec.normalization:.4g}"
        if not spec.recipe.trains:
            return f"{under}, frozen, not trained: {result.tested} in {result.seconds:.1f} s."
        return (
            f"{under}, recipe {spec.recipe.name}, {counted(len(result.history), 'epoch')}, "
            f"seed {spec.seed}: test {result.tested} in {result.seconds:.1f} s. "
            f"{result.fate}"
        ).rstrip()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.sentence}>"

    def _repr_html_(self) -> str:
        rows = [
            [str(epoch["epoch"]), *(_short(epoch.get(name)) for name in EPOCH_NUMBERS)]
            for epoch in self.result.history
        ]
        table = HtmlTable(["epoch", *EPOCH_NUMBERS.values()], rows)
        said = [DIVERGED] * self.result.diverged
        return notebook_html(self.sentence, said, table)

    def outcome(self, margin: float) -> Outcome | None:
        """What became of the training where another gain than 0.002 matters.

        Args:
            margin: The smallest gain that does.

        Returns:
            As the result has it, but ``learned`` and ``still learning`` by this margin. A survival
            trial keeps its own: it was not meant to settle.
        """
        result = self.result
        settling = result.outcome in {"learned", "still learning"}
        if self.spec.survival or not settling:
            return result.outcome
        assert result.chance is not None
        assert result.curve_images is not None
        return outcomes.judge(
            [e.get("test_accuracy", e["validation_accuracy"]) for e in result.history],
            accuracy=result.accuracy,
            test_images=result.test_images,
            chance=result.chance,
            epoch_images=result.curve_images,
            margin=margin,
        )


def pack_bits(bits: np.ndarray) -> str:
    """Eight answers a byte, in base64.

    Args:
        bits: bool, shape ``(N,)``.

    Returns:
        ASCII text.

    Example:
        >>> unpack_bits(pack_bits(np.array([True, False, True])), 3).tolist()
        [True, False, True]
    """
    return base64.b64encode(np.packbits(bits).tobytes()).decode("ascii")


def unpack_bits(text: str, count: int) -> np.ndarray:
    """What ``pack_bits`` packed.

    Returns:
        bool, shape ``(count,)``.
    """
    packed = np.frombuffer(base64.b64decode(text), np.uint8)
    return np.unpackbits(packed, count=count).astype(bool)


def finite_or_none(value: Any) -> Any:
    """The value, or None where it is a float that JSON cannot hold.

    Returns:
        None for NaN and the infinities, else the value.
    """
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
