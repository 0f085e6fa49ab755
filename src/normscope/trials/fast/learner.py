"""What is trained epoch by epoch, one model or a stack of them, and the loop over epochs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from normscope.trials.environment import describe_environment
from normscope.trials.fast.schedules import open_schedule
from normscope.trials.result import Epoch, TrialResult, finite_or_none, pack_bits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from normscope.trials.recipe import Recipe
    from normscope.trials.spec import TrialSpec
    from normscope.trials.train import Evaluation

Numbers = dict[str, float | None]


class Learner(Protocol):
    """Models that train together on the same batches.

    Attributes:
        models: How many.
        images: How many images they train on.
        initial: Their first layers as they were initialized.
    """

    models: int
    images: int
    initial: list[Numbers]

    def train_epoch(self, indices: Tensor, rates: Sequence[float]) -> list[float]:
        """Train on every image once.

        Args:
            indices: The order of the images.
            rates: One learning rate a model.

        Returns:
            Mean cross-entropy of each model over the images as they were trained on.
        """
        ...

    def evaluate(self, split: str) -> list[Evaluation]:
        """Test without training.

        Args:
            split: ``"validation"`` or ``"test"``.

        Returns:
            How each model does.
        """
        ...

    def first_layers(self) -> list[Numbers]:
        """The models' first layers as they are.

        Returns:
            One description a model.
        """
        ...


@dataclass
class _Course:
    """One model's way through the epochs."""

    schedule: Any
    history: list[Epoch]
    test: Evaluation | None = None
    final: Numbers | None = None


def fit(
    learner: Learner,
    spec: TrialSpec,
    order: torch.Generator,
    has_validation: bool,
    on_epoch: Callable[[Epoch], None] | None,
) -> list[TrialResult]:
    """Train and test, as the plain trainer does.

    Args:
        learner: The models.
        spec: A trial of theirs; all share its recipe, device and precision.
        order: Draws the order of the images.
        has_validation: Whether there is a validation split.
        on_epoch: Called with the first model's epochs.

    Returns:
        One result a model, its seconds the model's share of the time taken here. A model that
        diverges is tested after the epoch in which it did.
    """
    start = time.perf_counter()
    recipe = spec.recipe
    courses = [_Course(open_schedule(recipe), []) for _ in range(learner.models)]
    for number in range(1, recipe.epochs + 1):
        epoch_start = time.perf_counter()
        rates = [course.schedule.rate for course in courses]
        losses = learner.train_epoch(_order(learner.images, recipe, order), rates)
        validation = learner.evaluate("validation") if has_validation else None
        tests = learner.evaluate("test") if recipe.selection == "test" else None
        seconds = (time.perf_counter() - epoch_start) / learner.models
        for index, course in enumerate(courses):
            if course.test is not None:
                continue
            epoch = _epoch(
                number, losses[index], seconds, _at(validation, index), _at(tests, index)
            )
            course.history.append(epoch)
            chosen_on = _at(tests, index) or _at(validation, index)
            course.schedule.step(chosen_on.accuracy if chosen_on else 0.0)
            if on_epoch and index == 0:
                on_epoch(epoch)
        ended = [c for c in courses if c.test is None and _has_ended(c, recipe)]
        if ended:
            tests, finals = tests or learner.evaluate("test"), learner.first_layers()
            for course in ended:
                index = courses.index(course)
                course.test, course.final = tests[index], finals[index]
        if all(course.test is not None for course in courses):
            break
    seconds = (time.perf_counter() - start) / learner.models
    return [
        _result(course, spec, seconds, initial)
        for course, initial in zip(courses, learner.initial, strict=True)
    ]


def _order(images: int, recipe: Recipe, generator: torch.Generator) -> Tensor:
    return torch.randperm(images, generator=generator) if recipe.shuffle else torch.arange(images)


def _at(evaluations: list[Evaluation] | None, index: int) -> Evaluation | None:
    return evaluations[index] if evaluations else None


def _has_ended(course: _Course, recipe: Recipe) -> bool:
    return len(course.history) == recipe.epochs or not np.isfinite(course.history[-1].train_loss)


def _epoch(
    number: int,
    loss: float,
    seconds: float,
    validation: Evaluation | None,
    test: Evaluation | None,
) -> Epoch:
    return Epoch(
        epoch=number,
        train_loss=loss,
        validation_accuracy=validation.accuracy if validation else None,
        seconds=seconds,
        test_loss=test.loss if test else None,
        test_accuracy=test.accuracy if test else None,
    )


def _result(course: _Course, spec: TrialSpec, seconds: float, initial: Numbers) -> TrialResult:
    test = course.test
    assert test is not None
    assert course.final is not None
    return TrialResult(
        accuracy=test.accuracy,
        loss=finite_or_none(test.loss),
        diverged=not (np.isfinite(test.loss) and np.isfinite(course.history[-1].train_loss)),
        seconds=seconds,
        precision=spec.precision,
        device=spec.device,
        history=[epoch.to_json() for epoch in course.history],
        correct=pack_bits(test.correct),
        test_images=len(test.correct),
        first_layer={"initial": initial, "final": course.final},
        environment=describe_environment(spec.device),
    )
