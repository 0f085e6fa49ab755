"""What files, BatchNorms and labels say a network expects, each as an opinion."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from torch.nn.modules.batchnorm import _BatchNorm as AnyBatchNorm

from normscope.checking.opinions import (
    ANSWERS,
    BATCHNORM,
    FILES,
    LABELS,
    LIBRARY,
    OF_OTHERS,
    STATED,
    LeftOpen,
    Opinion,
    done_by,
)
from normscope.detection.candidates import Candidate
from normscope.detection.detection_result import (
    CANNOT_TELL,
    CLAIMED,
    NONE_OF_THEM,
    WIDEST_KNOWN,
    WIDEST_ROUGHLY,
    Detection,
)
from normscope.errors import NormscopeError
from normscope.models.files.onnx_network import OnnxNetwork
from normscope.models.preprocessing.between import same
from normscope.models.preprocessing.claim import BGR, RGB
from normscope.normalization import PRESETS
from normscope.progress import silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    from torch import nn

    from normscope.checking.in_use import InUse
    from normscope.detection.answer_evidence import Answered
    from normscope.detection.label_evidence import Labelled
    from normscope.models.claims import Claim, Claims
    from normscope.normalization import Normalization

    Tell = Callable[[int, int], None]


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
            LIBRARY if claim.of_others else FILES,
            _stated(claim),
            outside.for_channels(channels),
            claim.order or RGB,
            0.0 if again else OF_OTHERS if claim.of_others else STATED,
            inside=claim.normalization if claim.inside else None,
        )


def _stated(claim: Claim) -> str:
    order = ", channels in BGR order" if claim.order == BGR else ""
    if claim.inside:
        done = named(claim.normalization) if claim.normalization else "something"
        left = named(claim.takes) if claim.takes else "nothing known"
        return f"{claim.source}: the model normalizes by itself ({done}{order}); give it {left}."
    own = " of its own weights; nothing shows that these are the same" if claim.of_others else ""
    return f"{claim.source} states {named(claim.normalization)}{order}{own}."


def named(normalization: Normalization | None) -> str:
    """A normalization with its name, where it has one."""
    if normalization is None:
        return "no constants"
    name = next((name for name, preset in PRESETS.items() if same(preset, normalization)), None)
    numbers = f"{normalization:.4g}"
    return f"{name} ({numbers})" if name else numbers


def by_batchnorm(
    network: nn.Module, pixels: np.ndarray, used: InUse | None = None, tell: Tell = silent
) -> Opinion | None:
    """What BatchNorms say.

    Args:
        network: The network.
        pixels: Images, shape ``(N, C, H, W)``.
        used: What is under test, which may be what the network was trained with.
        tell: Called with how much is done and how much there is.

    Returns:
        An opinion; None for a network without BatchNorm.
    """
    from normscope.detection.detecting import detect

    try:
        asked, left = _with_batchnorm(network, pixels)
        if asked is None:
            return None
        found = detect(
            asked, pixels, count=len(pixels), device="cpu", given=_given(used), on_progress=tell
        )
    except NormscopeError as error:
        return Opinion(BATCHNORM, f"What BatchNorms keep of the training cannot be used: {error}")
    if not isinstance(found, Detection):
        return None
    none = found.verdict == NONE_OF_THEM
    refutes = 0.0 if left else _refutes(found, used)
    # Constants that are known only roughly make nothing that is used right, but may make it wrong.
    if found.verdict == CANNOT_TELL or (none and not found.fitted.within(WIDEST_KNOWN)):
        roughly = _roughly(found)
        order = found.order or RGB
        return Opinion(BATCHNORM, found.sentence, roughly, order, refutes=refutes, fitted=True)
    if none:
        order = found.order if found.order in {RGB, BGR} else RGB
        whole, confidence, name = found.fitted.rounded, found.none_of_them, None
        fitted = True
    else:
        first = found.candidates[0]
        whole, order = first.candidate.normalization, first.candidate.order
        confidence, name, fitted = first.confidence, _name(first.candidate), False
    if left is None:
        return Opinion(
            BATCHNORM, found.sentence, whole, order, confidence, name, refutes=refutes,
            fitted=fitted,
        )  # fmt: skip
    outside = left(whole)
    about = "about " * fitted
    given = "" if outside is None else f" Give it {about}{named(outside)}."
    says = " ".join([found.sentence, *found.notes]) + given
    return Opinion(BATCHNORM, says, outside, order, confidence, inside=whole, fitted=fitted)


def _refutes(found: Detection, used: InUse | None) -> float:
    """How surely the network was not trained with what is used."""
    if used is None or used.applied is None:
        return 0.0
    same = [each for each in found.candidates if done_by(used.applied, each.candidate)]
    return 1 - sum(each.confidence for each in same) if same else 0.0


def _roughly(found: Detection) -> Normalization | None:
    """The constants that fit best, where they are probably none of the known and not too wide."""
    known = sum(each.confidence for each in found.candidates if not each.candidate.given)
    sure = known < CLAIMED and found.order != CANNOT_TELL
    return found.fitted.rounded if sure and found.fitted.within(WIDEST_ROUGHLY) else None


def _with_batchnorm(
    network: nn.Module, pixels: np.ndarray
) -> tuple[nn.Module | str | None, Callable[[Normalization], Normalization | None] | None]:
    """What a detection is asked about, and what is left where a file does some itself."""
    if isinstance(network, OnnxNetwork):
        from normscope.detection.onnx_layers import first_layers

        file = str(network.path)
        layers = first_layers(file, pixels.shape[1], pixels.shape[2:])
        if layers is None:
            return None, None
        return file, layers.left if layers.notes else None
    kept = any(
        isinstance(module, AnyBatchNorm) and module.running_mean is not None
        for module in network.modules()
    )
    return (network if kept else None), None


def _given(used: InUse | None, other: Opinion | None = None) -> tuple[Candidate, ...]:
    """Constants that a source is to weigh beside the known ones.

    Args:
        used: What is under test.
        other: What another source has found.

    Returns:
        Those that are none of the known.
    """
    given = [] if used is None else used.candidates
    if other is not None and other.normalization is not None and other.name is None:
        found = Candidate.of(other.normalization, other.order)
        if all(found.name != each.name for each in given):
            given.append(Candidate.of(other.normalization, other.order, fitted=other.fitted))
    return tuple(given)


def by_labels(
    network: nn.Module,
    pixels: np.ndarray,
    labels: np.ndarray,
    used: InUse | None = None,
    other: Opinion | None = None,
    tell: Tell = silent,
) -> Opinion:
    """What labelled images say.

    Args:
        network: The network, on the CPU.
        pixels: Images, shape ``(N, C, H, W)``.
        labels: The output that is right for each.
        used: What is under test, which is tried beside the known normalizations.
        other: What another source has found, likewise.
        tell: Called with how much is done and how much there is.

    Returns:
        An opinion.
    """
    from normscope.detection.by_labels import weigh_by_labels

    try:
        found = weigh_by_labels(
            network, pixels, labels, given=_given(used, other), refined=False, on_progress=tell
        )
    except NormscopeError as error:
        return Opinion(LABELS, f"Labels cannot be used: {error}")
    says = f"By labels: {found.sentence}"
    first, *others = found.candidates
    alike = [c for c in others if c.candidate.name in found.alike]
    said = _among(LABELS, says, first, others, alike)
    lost = [each.candidate for each in others if each not in alike]
    applied = used and used.applied
    ruled_out = applied and any(done_by(applied, candidate) for candidate in lost)
    return replace(said, refutes=said.confidence) if ruled_out else said


def by_answers(network: nn.Module, pixels: np.ndarray, tell: Tell = silent) -> Opinion:
    """What a network's answers say, where nothing else says anything.

    Args:
        network: The network, on the CPU.
        pixels: Images, shape ``(N, C, H, W)``.
        tell: Called with how much is done and how much there is.

    Returns:
        An opinion.
    """
    from normscope.detection.by_answers import weigh_by_answers

    try:
        found = weigh_by_answers(network, pixels, on_progress=tell)
    except NormscopeError as error:
        return Opinion(ANSWERS, f"Its answers cannot be used: {error}")
    first, *others = found.candidates
    if found.verdict == CANNOT_TELL:
        return Opinion(ANSWERS, found.sentence)
    return _among(ANSWERS, found.sentence, first, others, found.alike)


def _among(
    source: str,
    says: str,
    first: Answered | Labelled,
    others: Sequence[Answered | Labelled],
    alike: Sequence[Answered | Labelled],
) -> Opinion:
    """That it is the first, or one of those that the source does not tell from it."""
    together = first.confidence + sum(each.confidence for each in alike)
    left_open = LeftOpen(
        tuple(each.candidate for each in alike),
        tuple(each.candidate for each in others if each not in alike),
        first.confidence,
    )
    candidate = first.candidate
    return Opinion(
        source, says, candidate.normalization, candidate.order, together, _name(candidate),
        left_open=left_open if alike else None, fitted=candidate.fitted,
    )  # fmt: skip


def _name(candidate: Candidate) -> str | None:
    return None if candidate.given else candidate.name
