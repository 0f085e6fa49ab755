"""What files, BatchNorms and labels say a network expects, each as an opinion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn.modules.batchnorm import _BatchNorm as AnyBatchNorm

from normscope.checking.opinions import ANSWERS, BATCHNORM, FILES, LABELS, RGB, STATED, Opinion
from normscope.detection.detection_result import CANNOT_TELL, Detection
from normscope.detection.label_evidence import NONE_OF_THEM
from normscope.errors import NormscopeError
from normscope.models.preprocessing.between import same
from normscope.normalization import PRESETS

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from torch import nn

    from normscope.models.claims import Claim, Claims
    from normscope.normalization import Normalization


def of_files(stated: Claims, channels: int) -> Iterator[Opinion]:
    """What a model's files and its library say.

    Args:
        stated: Their claims.
        channels: How many channels the network takes.

    Yields:
        An opinion for each claim; those that say the same of what is left to do count once.
    """
    met: list[Claim] = []
    inside = stated.inside
    for claim in stated.claims:
        outside = claim.outside
        if outside is None or outside.channels not in {1, channels}:
            continue
        # What a configuration says, the model may do itself: then nothing is left of it.
        if (
            inside is not None
            and not claim.inside
            and same(claim.normalization, inside.normalization)
        ):
            continue
        again = any(same(outside, other.outside) and claim.order == other.order for other in met)
        met.append(claim)
        yield Opinion(
            FILES,
            _stated(claim),
            outside.for_channels(channels),
            claim.order or RGB,
            0.0 if again else STATED,
            inside=claim.normalization if claim.inside else None,
        )


def _stated(claim: Claim) -> str:
    order = ", channels in BGR order" if claim.order == "bgr" else ""
    if claim.inside:
        done = named(claim.normalization) if claim.normalization else "something"
        left = named(claim.takes) if claim.takes else "nothing known"
        return f"{claim.source}: the model normalizes by itself ({done}{order}); give it {left}."
    return f"{claim.source} states {named(claim.normalization)}{order}."


def named(normalization: Normalization | None) -> str:
    """A normalization with its name, where it has one."""
    if normalization is None:
        return "no constants"
    name = next((name for name, preset in PRESETS.items() if same(preset, normalization)), None)
    numbers = f"{normalization:.4g}"
    return f"{name} ({numbers})" if name else numbers


def by_batchnorm(network: nn.Module, pixels: np.ndarray) -> Opinion | None:
    """What BatchNorms say.

    Args:
        network: The network.
        pixels: Images, shape ``(N, C, H, W)``.

    Returns:
        An opinion; None for a network without BatchNorm.
    """
    from normscope.detection.detecting import detect

    with_batchnorm = any(
        isinstance(module, AnyBatchNorm) and module.running_mean is not None
        for module in network.modules()
    )
    if not with_batchnorm:
        return None
    try:
        found = detect(network, pixels, count=len(pixels), device="cpu")
    except NormscopeError as error:
        return Opinion(BATCHNORM, f"What BatchNorms keep of the training cannot be used: {error}")
    if not isinstance(found, Detection):
        return None
    says = found.sentence
    if found.verdict == CANNOT_TELL:
        return Opinion(BATCHNORM, says)
    if found.verdict == NONE_OF_THEM:
        order = found.order if found.order in {"rgb", "bgr"} else RGB
        return Opinion(BATCHNORM, says, found.fitted.normalization, order, found.none_of_them)
    first = found.candidates[0]
    candidate = first.candidate
    return Opinion(
        BATCHNORM,
        says,
        candidate.normalization,
        candidate.order,
        first.confidence,
        candidate.name,
    )


def by_labels(network: nn.Module, pixels: np.ndarray, labels: np.ndarray) -> Opinion:
    """What labelled images say.

    Args:
        network: The network, on the CPU.
        pixels: Images, shape ``(N, C, H, W)``.
        labels: The output that is right for each.

    Returns:
        An opinion.
    """
    from normscope.detection.by_labels import weigh_by_labels

    try:
        found = weigh_by_labels(network, pixels, labels, refined=False)
    except NormscopeError as error:
        return Opinion(LABELS, f"Labels cannot be used: {error}")
    says = f"By labels: {found.sentence}"
    first = found.candidates[0]
    if found.verdict == CANNOT_TELL:
        return Opinion(LABELS, says)
    candidate = first.candidate
    return Opinion(
        LABELS, says, candidate.normalization, candidate.order, first.confidence, candidate.name
    )


def by_answers(network: nn.Module, pixels: np.ndarray) -> Opinion:
    """What a network's answers say, where nothing else says anything.

    Args:
        network: The network, on the CPU.
        pixels: Images, shape ``(N, C, H, W)``.

    Returns:
        An opinion.
    """
    from normscope.detection.by_answers import weigh_by_answers

    try:
        found = weigh_by_answers(network, pixels)
    except NormscopeError as error:
        return Opinion(ANSWERS, f"Its answers cannot be used: {error}")
    first = found.candidates[0]
    if found.verdict == CANNOT_TELL:
        return Opinion(ANSWERS, found.sentence)
    candidate = first.candidate
    return Opinion(
        ANSWERS,
        found.sentence,
        candidate.normalization,
        candidate.order,
        first.confidence,
        candidate.name,
    )
