"""``normscope.check``: whether what is used with a network is what it expects."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from normscope.arguments import for_caller
from normscope.auditing.audited_network import AuditedNetwork
from normscope.auditing.pipeline import Pipeline
from normscope.auditing.variants import Preparation
from normscope.checking import sources
from normscope.checking.check_result import Check, Evidence
from normscope.checking.depth import depth_of
from normscope.checking.images import chosen, shown
from normscope.checking.in_use import OWN
from normscope.checking.labels import labelled, with_labels
from normscope.checking.not_pixels import without_pixels
from normscope.checking.opinions import FILES, LABELS, LIBRARY, Opinion, known_roughly, weighed
from normscope.checking.options import CheckOptions, said
from normscope.checking.pricing import priced
from normscope.checking.sizing import met, sizing
from normscope.checking.using import in_use
from normscope.checking.verdict import judged
from normscope.errors import NormscopeError
from normscope.images.originals import find_originals
from normscope.images.scale import check_scale
from normscope.machine.device import resolve_device
from normscope.models.building import published, show_one_image, takes_bytes
from normscope.models.claims import Claims, claims
from normscope.models.class_names import outputs_for_classes
from normscope.models.given import name_of
from normscope.models.outputs import Logits, only_tensor
from normscope.models.trained import build_trained, channel_count
from normscope.normalization import Normalization
from normscope.options import by_keywords, callback
from normscope.progress import watched
from normscope.wording import check_at_least, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import nn

    from normscope.checking.images import Shown
    from normscope.checking.in_use import InUse
    from normscope.checking.price import Price
    from normscope.images.originals import Originals

SECOND_WITNESS = 100
"""Labelled images that are shown under every candidate where others say something already."""

ONE_OF = ("--norm", "--pipeline", "--processor")


@dataclass(frozen=True, kw_only=True)
class Checking(CheckOptions):
    """A check with what is to be told of it."""

    on_progress: Callable[[int, int], None] | None = callback(
        "Called with how much of what takes long is done and how much there is; by default a bar "
        "where you work interactively."
    )


@by_keywords(Checking)
def check(options: Checking) -> Check:
    """Is what you use with a network the normalization that it expects?

    Puts together what the model's files and library state, what its BatchNorms keep of its
    training, what labels say, what the images are, and what a pipeline really hands over.

    Returns:
        The verdict, what is wrong, what to use, what is lost, and the evidence.

    Raises:
        NormscopeError: If an option is wrong, the weights do not fit, or no image can be used.
    """
    start = time.perf_counter()
    _check_options(options)
    name = name_of(options.model)
    stated = _stated(options)
    originals = find_originals(options.images)
    originals = chosen(with_labels(originals, options.labels), options.count)
    depth = depth_of(originals, options.scale)
    if depth.no_pixels or depth.unknown:
        seconds = time.perf_counter() - start
        return without_pixels(options, name, originals, depth, seconds)
    transform, guessed = sizing(options, stated, originals, depth)
    channels_met, size = met(originals, transform, depth)
    network, channels = build_trained(
        options.model,
        None if options.weights is None else str(options.weights),
        normalized_channels=_stated_channels(stated, options.norm),
        channels=channel_count(options.channels),
        image_size=size,
        met=channels_met,
    )
    given = show_one_image(network, name, channels, size)
    output = only_tensor(given, name)
    if output is not given:
        network = Logits(network)
    pipeline = None if options.pipeline is None else Pipeline(options.pipeline, channels)
    full = depth.full if depth.deep else None
    images = shown(originals, Preparation(transform, channels, full=full), depth, pipeline)
    labels, why_not = _labels(images, originals, options.model, output.shape[-1])
    taken = images.of_bytes and takes_bytes(network, channels, size)
    used = in_use(options, stated, images, pipeline, channels, takes_bytes=taken)
    with watched(options.on_progress, "steps") as tell:
        opinions = _opinions(stated, network.eval(), images.pixels, labels, used, tell)
    expected = weighed(opinions)
    roughly = known_roughly(opinions)
    price = None
    audited = AuditedNetwork(network, resolve_device(options.device), "fp32")
    right = expected.opinion if expected else roughly
    if right is not None and used is not None and used.applied is not None:
        given = images.tested or used.applied
        # Against itself nothing is lost, which says nothing.
        if given != right.applied:
            price = priced(audited, images.pixels, labels, right, given)
    answer = judged(name, expected, used, price, _missing(labels, why_not), opinions)
    return Check(
        model=name,
        source=originals.name,
        images=len(images.pixels),
        answer=answer,
        expected=expected,
        price=price,
        evidence=tuple(
            _evidence(opinions, used, price, stated, [images.sentence, *guessed, *why_not])
        ),
        skipped=images.skipped,
        options=said(options),
        seconds=time.perf_counter() - start,
    )


def _check_options(options: CheckOptions) -> None:
    check_at_least(1, options.count, "--count")
    check_scale(options.scale)
    given = [o for o in ONE_OF if getattr(options, o.removeprefix("--")) is not None]
    if len(given) > 1:
        raise NormscopeError(
            f"one of {listed(ONE_OF, 'or')} must say what you use, got {listed(given)}. Choose one."
        )


def _stated(options: CheckOptions) -> Claims:
    if isinstance(options.model, str):
        return claims(options.model, options.weights)
    return Claims((), ())


def _stated_channels(stated: Claims, norm: str | Normalization | None) -> int:
    """How many channels the network takes by what is said of it; 1 where the weights decide."""
    claim = stated.outside
    own = claim.outside if claim and not claim.of_others else None
    given = norm if isinstance(norm, Normalization) else None
    if isinstance(norm, str) and "/" in norm:
        given = Normalization.parse(norm)
    return max((each.channels for each in (own, given) if each), default=1)


def _labels(
    images: Shown, originals: Originals, model: Any, outputs: int
) -> tuple[np.ndarray | None, list[str]]:
    """The right output of each image, or None and why."""
    if not labelled(originals):
        return None, []
    if originals.classes is None:
        return images.labels, []
    of_library = published(model) if isinstance(model, str) else None
    try:
        indices = outputs_for_classes(
            originals.classes, outputs, of_library.classes if of_library else None, name_of(model)
        )
    except NormscopeError:
        says = (
            f"The labels cannot be used: the {len(originals.classes)} folders or names (such as "
            f"{originals.classes[0]}) are not among the network's {outputs} outputs. Name them as "
            "its classes are (ImageNet's ids), or give --labels FILE with the numbers of outputs."
        )
        return None, [says]
    if indices is None:
        return images.labels, []
    return np.asarray(indices)[images.labels], []


def _opinions(
    stated: Claims,
    network: nn.Module,
    pixels: np.ndarray,
    labels: np.ndarray | None,
    used: InUse | None,
    tell: Callable[[int, int], None],
) -> list[Opinion]:
    found = []
    own = used is not None and used.what == OWN
    by_batchnorm = sources.by_batchnorm(network, pixels, used, tell)
    found += [by_batchnorm] if by_batchnorm else []
    for opinion in sources.of_files(stated, pixels.shape[1]):
        # What is under test is no witness for itself.
        found.append(replace(opinion, confidence=0.0) if own else opinion)
    told = weighed([opinion for opinion in found if opinion.source != LIBRARY])
    if labels is not None:
        # A second witness needs fewer images, each of which is shown under every candidate.
        step = max(1, len(pixels) // SECOND_WITNESS) if told else 1
        some = pixels[::step], labels[::step]
        found.insert(0, sources.by_labels(network, *some, used, by_batchnorm, tell))
        told = told or weighed(found[:1])
    # They take as long as all else, and say less.
    if told or (by_batchnorm and by_batchnorm.normalization):
        return found
    return [*found, sources.by_answers(network, pixels, tell)]


def _missing(labels: np.ndarray | None, why_not: list[str]) -> str:
    if why_not:
        return "labels that are the network's outputs (see below)"
    if labels is None:
        return "one folder of images per class, or --labels FILE"
    return "more labelled images, or a higher --count"


def _evidence(
    opinions: list[Opinion],
    in_use: InUse | None,
    price: Price | None,
    stated: Claims,
    of_images: Sequence[str],
) -> list[Evidence]:
    lines = [Evidence("in use", said) for said in (in_use.says if in_use else ())]
    if price is not None:
        lines.append(Evidence("price", price.measured))
    ranked = sorted(opinions, key=lambda o: (-o.confidence, o.source not in {LABELS, FILES}))
    lines += [Evidence(o.source, o.says, o.confidence) for o in ranked]
    lines += [Evidence("contradiction", said) for said in stated.contradictions]
    lines += [Evidence("images", said) for said in of_images]
    return [replace(line, says=for_caller(line.says)) for line in lines]
