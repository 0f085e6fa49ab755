"""``normscope.audit``: what each usual preprocessing mistake would cost a trained network."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from normscope.auditing.answering import Answers
from normscope.auditing.audit_result import Audit
from normscope.auditing.audited_network import AuditedNetwork
from normscope.auditing.judging import Judge
from normscope.auditing.mistakes import correct_values, usual_mistakes
from normscope.auditing.options import AuditOptions
from normscope.auditing.pipeline import Pipeline
from normscope.auditing.reading import Reader
from normscope.auditing.variants import BYTES, PIXEL_MISTAKES, WHITE, Preparation
from normscope.errors import NormscopeError
from normscope.images.decoded import check_all_read
from normscope.images.frames import COLOURS
from normscope.images.originals import find_originals, none_readable, usual_image
from normscope.images.scale import check_scale, unused_bits_of
from normscope.images.size import as_resize
from normscope.images.transform import ImageTransform
from normscope.machine.device import resolve_device, resolve_precision
from normscope.machine.environment import describe_environment
from normscope.models.building import show_one_image, takes_bytes
from normscope.models.expected import check_of_unit, resolve_normalization, takes_blue_first
from normscope.models.given import name_of
from normscope.models.trained import OUTPUTS, build_trained, channel_count
from normscope.normalization import NONE, Normalization
from normscope.options import by_keywords, callback
from normscope.progress import watched

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from torch import nn

    from normscope.images.decoded import Skipped
    from normscope.images.originals import Originals


@dataclass(frozen=True, kw_only=True)
class Auditing(AuditOptions):
    """An audit with what is to be told of it."""

    on_image: Callable[[int, int], None] | None = callback(
        "Called with how many images are done and how many there are; by default a bar where "
        "you work interactively."
    )


@by_keywords(Auditing)
def audit(auditing: Auditing) -> Audit:
    """Price the usual preprocessing mistakes on real images, against the correct pipeline.

    The correct pipeline decodes an image, resizes and crops it as torchvision's evaluation presets
    do, and normalizes it. Each image is decoded once. Where the folder holds ``val/`` or ``test/``
    with one folder per class, a price is accuracy lost; where it has no labels, it is disagreement
    with the correct pipeline, and the drift of BatchNorm's statistics.

    Returns:
        The prices, worst first.

    Raises:
        NormscopeError: If an option is wrong, the weights do not fit, or no image can be used.
        WorkFailed: If an image cannot be read and ``strict`` holds.
    """
    start = time.perf_counter()
    _check_fail_over(auditing.fail_over, auditing.pipeline)
    check_scale(auditing.scale)
    transform = ImageTransform(as_resize(auditing.resize), auditing.crop)
    device = resolve_device(auditing.device)
    precision = resolve_precision(auditing.precision, device)
    name = name_of(auditing.model)
    blue_first = takes_blue_first(auditing.model)
    normalization = _normalization(auditing.norm, auditing.model)
    originals = find_originals(auditing.images)
    first = usual_image(originals)
    depth = first.values.dtype
    _check_depth(auditing, depth)
    unsized = Preparation(transform, COLOURS, auditing.upright, scale=auditing.scale)
    white = unsized.white(first, originals.name)
    if auditing.scale in {None, WHITE}:
        check_of_unit(normalization)
    network, count = _network(
        auditing.model,
        auditing.weights,
        (normalization.channels, channel_count(auditing.channels)),
        originals,
        first.values.shape[1],
        unsized.size(first),
    )
    normalization = normalization.for_channels(count)
    blue_first = blue_first and count == COLOURS
    preparation = Preparation(transform, count, auditing.upright, scale=auditing.scale, depth=depth)
    mistakes = usual_mistakes(normalization, preparation, blue_first=blue_first, white=white)
    made = [mistake for mistake in mistakes if mistake.reason is None]
    tested = None if auditing.pipeline is None else Pipeline(auditing.pipeline, count)
    taken = tested is not None and takes_bytes(network, count, unsized.size(first))
    reader = Reader(
        originals, preparation, frozenset(m.name for m in made) & set(PIXEL_MISTAKES), tested
    )
    answers = Answers(
        AuditedNetwork(network, device, precision, blue_first=blue_first),
        correct_values(normalization),
        made,
    )
    skipped: list[Skipped] = []
    asked = answers.asked(reader.batches(skipped))
    with watched(auditing.on_image, "images") as tell, closing(asked):
        for answered in asked:
            check_all_read(originals.name, skipped, auditing.strict)
            tell(answered + len(skipped), len(originals.images))
    check_all_read(originals.name, skipped, auditing.strict)
    if len(skipped) == len(originals.images):
        raise NormscopeError(none_readable(originals.name, skipped))
    judge = Judge(
        answers,
        labelled=originals.classes is not None,
        blue_first=blue_first,
        takes_bytes=taken,
    )
    reference = replace(judge.reference(normalization), white=None if depth == BYTES else white)
    if auditing.scale is None:
        brightest = round(answers.brightest * white / WHITE)
        reference = replace(reference, unused=unused_bits_of(brightest, depth))
    return Audit(
        model=name,
        source=originals.name,
        images=len(answers.labels),
        classes=None if originals.classes is None else len(originals.classes),
        most_frequent=judge.most_frequent(),
        preparation=preparation.in_words(white),
        reference=reference,
        mistakes=judge.ranked(mistakes, preparation),
        tested=None
        if tested is None
        else judge.tested(tested.name, made, auditing.fail_over, normalization),
        skipped=tuple(skipped),
        options={
            "norm": str(normalization),
            "weights": None if auditing.weights is None else str(auditing.weights),
            "pipeline": None if tested is None else tested.name,
            "fail_over": auditing.fail_over,
            "resize": transform.to_json().get("resize"),
            "crop": auditing.crop,
            "channels": auditing.channels,
            "scale": auditing.scale,
            "upright": auditing.upright,
            "device": device,
            "precision": precision,
        },
        settings=describe_environment(device),
        seconds=time.perf_counter() - start,
    )


def _check_fail_over(fail_over: float | None, pipeline: object) -> None:
    if fail_over is None:
        return
    if pipeline is None:
        raise NormscopeError(
            "--fail-over must be used with a pipeline under test, got none. Add --pipeline "
            "package.module:transform."
        )
    if not 0 <= fail_over <= 1:
        raise NormscopeError(
            f"--fail-over must be an accuracy between 0 and 1, got {fail_over}. Write 0.01 for "
            "one in a hundred."
        )


def _check_depth(auditing: AuditOptions, depth: np.dtype) -> None:
    if auditing.pipeline is not None and depth != BYTES:
        raise NormscopeError(
            "--pipeline must be used with images of 8 bits, as Pillow hands them over, got "
            f"{auditing.images} of {depth.name}. Leave it out."
        )
    if auditing.scale not in {None, WHITE} and depth == BYTES:
        raise NormscopeError(
            f"--scale must be 255 for images of 8 bits, got {auditing.scale:g}. Leave it out."
        )


def _normalization(norm: str | Normalization, model: Any) -> Normalization:
    if norm == "data":
        raise NormscopeError(
            "--norm must say what the model expects, got data, the statistics of these images. "
            "Give MEAN/STD or a name, or find it with normscope detect."
        )
    return resolve_normalization(norm, NONE, model)


def _network(
    given: Any,
    weights: str | Path | None,
    channels: tuple[int, int | None],
    originals: Originals,
    met: int,
    size: tuple[int, int],
) -> tuple[nn.Module, int]:
    normalized, asked = channels
    name = name_of(given)
    model, count = build_trained(
        given,
        None if weights is None else str(weights),
        normalized_channels=normalized,
        channels=asked,
        image_size=size,
        classes=OUTPUTS if originals.classes is None else originals.classes,
        met=met,
    )
    output = show_one_image(model, name, count, size)
    gives = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
    if not isinstance(gives, tuple) or len(gives) != 2 or gives[1] < 2:
        raise NormscopeError(
            f"model {name} must give at least two outputs for an image, shape (1, classes), got "
            f"{gives}. Audit a classifier."
        )
    return model, count
