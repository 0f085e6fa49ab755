"""What is trained epoch by epoch, one model or a stack of them, and the loop over epochs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch

from normscope.trials.course import Course, Looks, epoch_of
from normscope.trials.death import CHECK_INTERVAL
from normscope.trials.fast.schedules import open_schedule
from normscope.trials.result import Epoch, TrialResult

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from torch import Tensor

    from normscope.images.decoded import DecodedSource
    from normscope.trials.course import Evaluation
    from normscope.trials.recipe import Recipe
    from normscope.trials.spec import TrialSpec

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

    def train_epoch(
        self, indices: Tensor, rates: Sequence[float], after_step: Callable[[], bool]
    ) -> None:
        """Train on every image once.

        Args:
            indices: The order of the images.
            rates: One learning rate a model.
            after_step: Called after every step; ends the epoch there where it returns True.
        """
        ...

    def keep(self, indices: Sequence[int]) -> None:
        """Go on with some of the models alone, as if the others had never been there."""
        ...

    def losses(self) -> list[float]:
        """How the models do on the images of the epoch as they were trained on."""
        ...

    def evaluate(self, split: str, chosen: np.ndarray | None = None) -> list[Evaluation]:
        """Test without training, and without changing what is drawn afterwards.

        Args:
            split: ``"validation"`` or ``"test"``.
            chosen: Indices of the images to test on; None for all.

        Returns:
            How each model does.
        """
        ...

    def first_layers(self) -> list[Numbers]:
        """The models' first layers as they are."""
        ...

    def deaths(self) -> list[bool]:
        """Which models are proved dead; tries a proof where one is due.

        Whatever is trained and tested afterwards gives the same numbers as without the proof.

        Returns:
            One answer a model.
        """
        ...


@dataclass
class _Trained:
    """One model's course, and what it gave once it has ended."""

    course: Course
    schedule: Any
    test: Evaluation | None = None
    final: Numbers | None = None


def fit(
    learner: Learner,
    spec: TrialSpec,
    source: DecodedSource,
    order: torch.Generator,
    on_epoch: Callable[[Epoch], None] | None,
) -> list[TrialResult]:
    """Train and test, as the plain trainer does.

    Args:
        learner: The models.
        spec: A trial of theirs; all share its recipe, device and precision.
        source: Their images.
        order: Draws the order of the images.
        on_epoch: Called with the first model's epochs.

    Returns:
        One result a model, its seconds the model's share of the time taken here. A model that
        diverges is tested after the epoch in which it did, one of a survival trial as soon as it
        is known whether it lives.
    """
    return _Fitting(learner, spec, source, on_epoch).results(order)


class _Fitting:
    def __init__(
        self,
        learner: Learner,
        spec: TrialSpec,
        source: DecodedSource,
        on_epoch: Callable[[Epoch], None] | None,
    ) -> None:
        self._start = self._epoch_start = time.perf_counter()
        self._learner, self._spec, self._on_epoch = learner, spec, on_epoch
        self._has_validation = source.validation is not None
        self._looks = Looks(spec, source)
        self._models = [
            _Trained(Course(self._looks, spec.survival), open_schedule(spec.recipe))
            for _ in range(learner.models)
        ]
        self._together = list(self._models)
        self._step, self._number = 0, 0

    def results(self, order: torch.Generator) -> list[TrialResult]:
        recipe, learner, initial = self._spec.recipe, self._learner, self._learner.initial
        for self._number in range(1, recipe.epochs + 1):
            self._epoch_start = time.perf_counter()
            rates = [model.schedule.rate for model in self._together]
            indices = _order(learner.images, recipe, order)
            learner.train_epoch(indices, rates, self._after_step)
            if self._all_ended():
                break
            self._end_epoch()
            if self._all_ended():
                break
        seconds = (time.perf_counter() - self._start) / len(self._models)
        return [
            _result(model, self._spec, seconds, layer)
            for model, layer in zip(self._models, initial, strict=True)
        ]

    def _after_step(self) -> bool:
        self._step += 1
        if self._step % CHECK_INTERVAL == 0:
            for model, dead in zip(self._together, self._learner.deaths(), strict=True):
                if dead and model.test is None and model.course.died_at is None:
                    model.course.died_at = self._step
        if not self._looks.due(self._step, self._number):
            return False
        running = self._running()
        seen = self._learner.evaluate(self._looks.split, self._looks.indices)
        for index, model in running.items():
            model.course.step = self._step
            model.course.probed(seen[index])
        decided = {index: model for index, model in running.items() if model.course.decided}
        if decided:
            losses, seconds = self._learner.losses(), self._seconds()
            for index, model in decided.items():
                self._add_epoch(model, Epoch(self._number, losses[index], None, seconds))
            self._end(decided, None)
        return self._all_ended()

    def _end_epoch(self) -> None:
        learner, recipe = self._learner, self._spec.recipe
        losses = learner.losses()
        validation = learner.evaluate("validation") if self._has_validation else None
        tests = learner.evaluate("test") if recipe.selection == "test" else None
        seconds, running = self._seconds(), self._running()
        for index, model in running.items():
            on_validation, on_test = _at(validation, index), _at(tests, index)
            model.course.step = self._step
            chosen_on = on_test or on_validation
            model.schedule.step(chosen_on.accuracy if chosen_on else 0.0)
            epoch = epoch_of(self._number, losses[index], seconds, on_validation, on_test)
            self._add_epoch(model, epoch)
        last = self._number == recipe.epochs
        ended = {i: model for i, model in running.items() if last or model.course.diverged}
        if ended:
            self._end(ended, tests if self._looks.tested is None else None)

    def _end(self, ended: dict[int, _Trained], tests: list[Evaluation] | None) -> None:
        tests = tests or self._learner.evaluate("test", self._looks.tested)
        finals = self._learner.first_layers()
        for index, model in ended.items():
            model.test, model.final = tests[index], finals[index]
        going_on = list(self._running())
        if 0 < len(going_on) <= len(self._together) // 2:
            self._learner.keep(going_on)
            self._together = [self._together[index] for index in going_on]

    def _add_epoch(self, model: _Trained, epoch: Epoch) -> None:
        model.course.ended_epoch(epoch)
        if self._on_epoch and model is self._models[0]:
            self._on_epoch(epoch)

    def _running(self) -> dict[int, _Trained]:
        return {i: model for i, model in enumerate(self._together) if model.test is None}

    def _all_ended(self) -> bool:
        return not self._running()

    def _seconds(self) -> float:
        return (time.perf_counter() - self._epoch_start) / self._learner.models


def _order(images: int, recipe: Recipe, generator: torch.Generator) -> Tensor:
    return torch.randperm(images, generator=generator) if recipe.shuffle else torch.arange(images)


def _at(evaluations: list[Evaluation] | None, index: int) -> Evaluation | None:
    return evaluations[index] if evaluations else None


def _result(model: _Trained, spec: TrialSpec, seconds: float, initial: Numbers) -> TrialResult:
    assert model.test is not None
    assert model.final is not None
    layers = {"initial": initial, "final": model.final}
    return model.course.result(spec, model.test, layers, seconds)
