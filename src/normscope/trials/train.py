"""The plain trainer: short, and obviously right. Every faster one is tested against it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, ReduceLROnPlateau, StepLR

from normscope.machine.cores import threads
from normscope.machine.device import wide_dtype
from normscope.models.first_layer import describe_first_layer
from normscope.trials.augmentation import Augmentation
from normscope.trials.course import Course, Evaluation, Looks, epoch_of
from normscope.trials.death import CHECK_INTERVAL, unmoved
from normscope.trials.network import build_network, training_batches
from normscope.trials.network_death import NetworkDeath
from normscope.trials.pixels import ResidentImages
from normscope.trials.recipe import SGD_MOMENTUM
from normscope.trials.seeding import Generators, generators, torch_seeded, unchanged_draws

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from normscope.images.decoded import DecodedSource
    from normscope.trials.recipe import Recipe
    from normscope.trials.result import Epoch, TrialResult
    from normscope.trials.spec import TrialSpec

TEST_BATCH = 1000


def train(
    spec: TrialSpec,
    source: DecodedSource,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> TrialResult:
    """Run one trial: build, train, test.

    The result depends on the specification and the images alone.

    Args:
        spec: The trial.
        source: Its images, with the splits that its recipe needs.
        on_epoch: Called at the end of every epoch.

    Returns:
        What the trial gave. A training that diverges stops after the epoch in which it did and is
        tested as it is; a survival trial stops as soon as it is known whether it lives.
    """
    start = time.perf_counter()
    seeds = generators(spec.seed)
    with threads(spec.threads), torch_seeded(seeds.initialization, spec.device):
        model, first_layer = build_network(spec, source)
        initial = describe_first_layer(first_layer)
        model.to(spec.device)
        torch.manual_seed(seeds.dropout)
        course = Course(Looks(spec, source), spec.survival)
        _fit(model, first_layer, spec, source, seeds, course, on_epoch)
        tested = source.test
        if course.looks.tested is not None:
            tested = tested.take(course.looks.tested)
        test = evaluate(model, ResidentImages(tested, source.scale, spec))
        layers = {"initial": initial, "final": describe_first_layer(first_layer)}
        return course.result(spec, test, layers, time.perf_counter() - start)


def _fit(
    model: nn.Module,
    first_layer: nn.Module,
    spec: TrialSpec,
    source: DecodedSource,
    seeds: Generators,
    course: Course,
    on_epoch: Callable[[Epoch], None] | None,
) -> None:
    recipe, looks = spec.recipe, course.looks
    images = ResidentImages(source.train, source.scale, spec)
    validation = (
        ResidentImages(source.validation, source.scale, spec) if source.validation else None
    )
    tested = ResidentImages(source.test, source.scale, spec)
    test = tested if recipe.selection == "test" else None
    probe = ResidentImages(looks.images.take(looks.indices), source.scale, spec)
    augmentation = Augmentation(recipe.padding, seeds.augmentation) if recipe.augment else None
    optimizer = _optimizer(recipe, model)
    schedule = _schedule(recipe, optimizer)

    death = NetworkDeath(model, first_layer, recipe, model)
    others = [tested, validation] if validation else [tested]

    def at_rest(weight: nn.Parameter) -> bool:
        momentum = optimizer.state[weight].get("momentum_buffer")
        return momentum is None or unmoved(weight, momentum, optimizer.param_groups[0]["lr"])

    def after_step() -> bool:
        course.step += 1
        death.stepped()
        if course.step % CHECK_INTERVAL == 0 and course.died_at is None:
            proved = death.prove(images, others, at_rest)
            course.died_at = course.step if proved else None
        if looks.due(course.step, len(course.history) + 1):
            with unchanged_draws(spec.device):
                course.probed(evaluate(model, probe))
            model.train()
        return course.decided

    for number in range(1, recipe.epochs + 1):
        start = time.perf_counter()
        indices = (
            torch.randperm(len(images), generator=seeds.order)
            if recipe.shuffle
            else torch.arange(len(images))
        )
        batches = training_batches(indices, recipe.batch_size, model)
        loss = _train_epoch(model, images, batches, optimizer, augmentation, after_step)
        whole = not course.decided
        on_validation = evaluate(model, validation) if validation and whole else None
        on_test = evaluate(model, test) if test and whole else None
        chosen_on = on_test or on_validation
        if isinstance(schedule, ReduceLROnPlateau):
            schedule.step(chosen_on.accuracy if chosen_on else 0.0)
        else:
            schedule.step()
        seconds = time.perf_counter() - start
        epoch = epoch_of(number, loss, seconds, on_validation, on_test)
        course.ended_epoch(epoch)
        if on_epoch:
            on_epoch(epoch)
        if course.diverged or course.decided:
            break


def _optimizer(recipe: Recipe, model: nn.Module) -> torch.optim.Optimizer:
    if recipe.optimizer == "adadelta":
        return torch.optim.Adadelta(model.parameters(), lr=recipe.lr)
    return torch.optim.SGD(
        model.parameters(), lr=recipe.lr, momentum=SGD_MOMENTUM, weight_decay=recipe.weight_decay
    )


def _schedule(recipe: Recipe, optimizer: torch.optim.Optimizer) -> ReduceLROnPlateau | LRScheduler:
    if recipe.schedule == "cosine":
        return CosineAnnealingLR(optimizer, recipe.epochs)
    if recipe.schedule == "plateau":
        return ReduceLROnPlateau(optimizer, "max")
    return StepLR(optimizer, step_size=1, gamma=0.7)


def _train_epoch(
    model: nn.Module,
    images: ResidentImages,
    batches: list[Tensor],
    optimizer: torch.optim.Optimizer,
    augmentation: Augmentation | None,
    after_step: Callable[[], bool],
) -> float:
    model.train()
    total = torch.zeros((), dtype=wide_dtype(images.device), device=images.device)
    trained_on = 0
    for batch in batches:
        pixels, labels = images.batch(batch, augmentation)
        optimizer.zero_grad()
        # Cross-entropy of log-probabilities is their negative log-likelihood, so this is right for
        # networks that end in log-softmax, as LeNet does, and for those that give logits.
        loss = F.cross_entropy(model(pixels), labels)
        loss.backward()
        optimizer.step()
        total += loss.detach() * len(batch)
        trained_on += len(batch)
        if after_step():
            break
    return total.item() / trained_on


def evaluate(model: nn.Module, images: ResidentImages) -> Evaluation:
    """Test a model on a split, without training it; it is left in evaluation mode."""
    model.eval()
    loss = torch.zeros((), dtype=wide_dtype(images.device), device=images.device)
    correct = []
    with torch.inference_mode():
        for batch in torch.arange(len(images)).split(images.together(TEST_BATCH)):
            pixels, labels = images.batch(batch)
            output = model(pixels)
            loss += F.cross_entropy(output, labels, reduction="sum")
            correct.append(output.argmax(dim=1) == labels)
    right = torch.cat(correct).cpu().numpy()
    return Evaluation(float(right.mean()), loss.item() / len(images), right)
