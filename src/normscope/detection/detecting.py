"""From a checkpoint and some images to the normalization that it was trained with."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from normscope.arguments import for_caller
from normscope.detection.augmented_views import AssumedAugmentation, likely
from normscope.detection.by_answers import weigh_by_answers
from normscope.detection.candidates import BGR, RGB, Candidate, candidates, orders
from normscope.detection.detection_result import (
    CANNOT_TELL,
    CLAIMED,
    Detection,
    Fitted,
    confidence_text,
)
from normscope.detection.evidence import weigh
from normscope.detection.fitting import fit, off_the_fit
from normscope.detection.foreign import altered, directions
from normscope.detection.inputs import build_network, check_images, sample_images
from normscope.detection.measured import MeasuredSystem
from normscope.detection.options import DetectOptions
from normscope.detection.patches import response_moments
from normscope.detection.prior import Sizes
from normscope.detection.ranking import Hypothesis, Ranked, log_prior, own_images, rank, share
from normscope.detection.solving import solve
from normscope.detection.system import LinearSystem
from normscope.detection.target import find_target
from normscope.images.scale import check_scale
from normscope.images.size import as_resize
from normscope.machine.device import resolve_device, wide_dtype
from normscope.models.given import GivenModel, name_of
from normscope.options import by_keywords, callback
from normscope.progress import watched
from normscope.statistics.reading import Reading
from normscope.wording import check_at_least

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn

    from normscope.detection.answer_evidence import AnswerEvidence
    from normscope.detection.system import System
    from normscope.detection.target import Target

MEASURED_IMAGES = 128
MEASURED_STARTS = 1
BYTES_BELOW = 0.05
"""No usual std of pixels of [0, 1] is smaller; nearly all of 0..255 that are not divided are. Of
dark images it is less in proportion."""

LARGE_MISFIT = 0.15
LIKELY_FOREIGN = 0.5
SURE_OF_ORDER = 0.8


@dataclass(frozen=True, kw_only=True)
class Detecting(DetectOptions):
    """A detection with its seed and what is to be told of it."""

    seed: int = field(default=0, metadata={"help": "Of crops and of the bootstrap."})
    given: tuple[Candidate, ...] = field(
        default=(), metadata={"help": "Constants to weigh beside the known ones."}
    )
    on_progress: Callable[[int, int], None] | None = callback(
        "Called with how many hypotheses are weighed, or views shown, and how many there are; by "
        "default a bar where you work interactively."
    )


@by_keywords(Detecting)
def detect(detecting: Detecting) -> Detection | AnswerEvidence:
    """Which normalization was a network trained with?

    The first convolution's outputs are linear in the pixels, so that BatchNorm's running means and
    variances behind it tell the mean and std by which the pixels were normalized. No labels are
    needed. See ``docs/method.md``.

    Returns:
        The ranked candidates, the fitted constants and a sentence; for a network without
        BatchNorm, what its answers tell.

    Raises:
        NormscopeError: If an option is wrong, the images are too few, constant or do not fit, or
            the network has no BatchNorm and is no classifier.
    """
    reading = Reading(
        channels=detecting.channels, resize=as_resize(detecting.resize), crop=detecting.crop
    )
    said = detecting.augmentation
    given = None if said is None else AssumedAugmentation.parse(said)
    check_at_least(2, detecting.batch_size, "--batch-size")
    check_at_least(1, detecting.count, "--count")
    check_scale(detecting.scale)
    place = resolve_device(detecting.device)
    if wide_dtype(place) != torch.float64:
        place = "cpu"  # where the equations have their digits
    model = detecting.model
    name = name_of(model)
    root = None if detecting.root is None else Path(detecting.root)
    sample = sample_images(detecting.images, detecting.count, reading, root, detecting.scale)
    check_images(sample)
    network = (
        build_network(model, detecting.weights, sample)
        if isinstance(model, str)
        else GivenModel(model).pretrained()
    ).eval()
    network.to(place)
    pixels = torch.from_numpy(sample)
    target = find_target(network, pixels.shape[1], _size(pixels), detecting.batch_size)
    if target is None:
        with watched(detecting.on_progress, "views") as tell:
            return weigh_by_answers(network, sample, on_progress=tell)
    hypotheses, sizes = [], Sizes.of(pixels)
    tried = (given,) if given else likely(_size(pixels))
    notes = getattr(network, "notes", ())
    # Of thousands of small matrices, threads take 4 times the processor time on a busy machine.
    with (
        threadpool_limits(1, user_api="blas"),
        watched(detecting.on_progress, "hypotheses") as tell,
    ):
        for hypothesis in _hypotheses(network, target, pixels, detecting, tried, sizes):
            hypotheses.append(hypothesis)
            tell(len(hypotheses), len(tried) * len(orders(pixels.shape[1])))
        return _detection(name, target, pixels, hypotheses, detecting, notes, sizes.used)


def _hypotheses(
    model: nn.Module,
    target: Target,
    images: torch.Tensor,
    detecting: Detecting,
    tried: tuple[AssumedAugmentation, ...],
    sizes: Sizes,
) -> Iterator[Hypothesis]:
    channels, seed = images.shape[1], detecting.seed
    known = [*candidates(channels), *detecting.given]
    ways = [dict(_systems(model, target, way, tried[0], seed)) for way in altered(images)]
    for augmentation in tried:
        for order, system in _systems(model, target, images, augmentation, seed):
            fitting = tuple(c for c in known if c.order == order)
            centre = solve(system, _starts(system, fitting))
            foreign = directions([systems[order] for systems in ways], sizes.used)
            points = [c.unknowns for c in fitting]
            evidence = weigh(system, centre, points, foreign, sizes.prior)
            yield Hypothesis(
                order, augmentation, fitting, evidence, log_prior(augmentation, len(tried)),
                channels,
            )  # fmt: skip


def _systems(
    model: nn.Module,
    target: Target,
    images: torch.Tensor,
    augmentation: AssumedAugmentation,
    seed: int,
) -> Iterator[tuple[str, System]]:
    possible = orders(images.shape[1])
    layer = target.convolution
    if layer is None:
        rows = np.linspace(0, len(images) - 1, min(len(images), MEASURED_IMAGES)).round()
        for order in possible:
            yield (
                order,
                MeasuredSystem(
                    model, target, images[rows.astype(np.int64)], augmentation, order, seed
                ),
            )
        return
    bias = layer.weight.new_zeros(len(layer.weight)) if layer.bias is None else layer.bias
    moments = response_moments(layer, images, augmentation, possible, seed)
    for order, (first, second) in moments.items():
        yield order, LinearSystem(
            first[:, target.alive], second[:, target.alive],
            bias.detach().cpu().numpy()[target.alive], target.averages,
        )  # fmt: skip


def _starts(system: System, known: tuple[Candidate, ...]) -> list[np.ndarray] | None:
    if isinstance(system, LinearSystem):
        return None
    # Every evaluation runs the network: start where known normalizations already fit best.
    points = [candidate.unknowns for candidate in known]
    points.sort(key=lambda point: float(np.abs(system.residual(point)).mean()))
    return points[:MEASURED_STARTS]


def _detection(
    name: str,
    target: Target,
    images: torch.Tensor,
    hypotheses: list[Hypothesis],
    detecting: Detecting,
    notes: tuple[str, ...],
    unit: float,
) -> Detection:
    ranked, fitting = _ranked(hypotheses)
    off = off_the_fit(ranked, fitting, detecting.seed)
    if off:
        # What speaks for them says nothing of the images either.
        hypotheses = [h.without([each.candidate for each in off]) for h in hypotheses]
        ranked, fitting = _ranked(hypotheses)
        ranked = sorted([*ranked, *off], key=lambda each: -each.confidence)
    best = max(fitting, key=lambda hypothesis: hypothesis.total)
    fitted = fit(fitting, [hypothesis.by_noise for hypothesis in fitting], detecting.seed)
    fitted = replace(fitted, unit=unit)
    colour = images.shape[1] == 3
    rgb = share(hypotheses, lambda hypothesis: hypothesis.order == RGB)
    order_confidence = max(rgb, 1 - rgb)
    order = (RGB if rgb > 0.5 else BGR) if order_confidence > SURE_OF_ORDER else CANNOT_TELL
    return Detection(
        model=name,
        images=len(images),
        batchnorm=target.name,
        layer=target.convolution_name,
        candidates=tuple(ranked),
        none_of_them=max(0.0, 1 - sum(r.confidence for r in ranked)),
        fitted=fitted,
        order=order if colour else None,
        order_confidence=order_confidence if colour else None,
        pixels=_pixels(fitted),
        augmentation=str(best.augmentation),
        augmentation_given=detecting.augmentation is not None,
        misfit=best.misfit,
        notes=(*_notes(target, best.misfit, 1 - own_images(hypotheses)), *notes),
    )


def _ranked(hypotheses: list[Hypothesis]) -> tuple[list[Ranked], list[Hypothesis]]:
    """The candidates, and the hypotheses of the order of the one that is claimed, if one is."""
    ranked = rank(hypotheses)
    claimed = ranked[0].candidate if ranked and ranked[0].confidence > CLAIMED else None
    return ranked, [h for h in hypotheses if claimed is None or h.order == claimed.order]


def _pixels(fitted: Fitted) -> str:
    below = BYTES_BELOW * fitted.unit
    if all(high < below for _, high in fitted.std_interval):
        return "0..255"
    if all(low > below for low, _ in fitted.std_interval):
        return "[0, 1]"
    return CANNOT_TELL


def _notes(target: Target, misfit: float, foreign: float) -> tuple[str, ...]:
    notes = []
    if target.convolution is None:
        notes.append(
            f"{target.name} does not read the first convolution itself, so its input was measured "
            "by running the network."
        )
    if misfit > LARGE_MISFIT:
        notes.append(
            f"At the best fit the standard deviations of {target.name} are off by "
            f"{100 * misfit:.0f} %: the images differ from those of the training, or they were "
            "augmented otherwise. Give --augmentation and images of the training."
        )
    if foreign > LIKELY_FOREIGN:
        notes.append(
            f"The statistics of {target.name} say that the images or the augmentation are not the "
            f"training's (confidence {confidence_text(foreign)}). Confidences and intervals allow "
            "for other brightness, contrast, sharpness and colour. Give --augmentation and images "
            "of the training."
        )
    return tuple(map(for_caller, notes))


def _size(images: torch.Tensor) -> tuple[int, int]:
    return images.shape[2], images.shape[3]
