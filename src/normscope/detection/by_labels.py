"""Which normalization suits a network, by labelled images: for every classifier, ONNX too."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import softmax

from normscope.detection.answers import Asking
from normscope.detection.candidates import candidates
from normscope.detection.label_evidence import LabelEvidence
from normscope.detection.label_rounds import Tried, compared, rounds
from normscope.detection.ranking import PRIOR_KNOWN
from normscope.detection.refining import refine
from normscope.detection.tempering import tempered_likelihoods
from normscope.detection.usage import log_usage
from normscope.errors import NormscopeError
from normscope.progress import silent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from normscope.detection.answers import Network
    from normscope.detection.candidates import Candidate
    from normscope.detection.label_rounds import Compared
    from normscope.detection.refining import Refined
    from normscope.normalization import Normalization

RESAMPLES = 2000
FEWEST_IMAGES = 20

COARSE_IMAGES = 100
"""However many images there are, they count as fewer than so many: the likelihood is not greatest
exactly where a network was trained, but often at a little less contrast.

A coarsened posterior (Miller and Dunson 2019, doi:10.1080/01621459.2018.1469995), for likelihoods
that are expected to be off by 1 / 100 nats an image. SqueezeNet's labels are 0.014 nats an image
likelier with ``clip`` than with ``imagenet``, its own: constants as near as these are told apart by
how usual they are.
"""

SMALLEST_SHARE, SMALLEST_SPREAD = 0.03, 0.01
"""Of a channel's standard deviation in the largest, where it hardly varies; and where none does."""


def weigh_by_labels(
    network: Network,
    pixels: np.ndarray,
    labels: np.ndarray,
    *,
    given: Sequence[Candidate] = (),
    refined: bool = True,
    on_progress: Callable[[int, int], None] = silent,
) -> LabelEvidence:
    """Try every known normalization, in both orders of channels, on labelled images.

    Candidates are compared by the log likelihood of the labels, each at its best temperature, which
    tells them apart with a fraction of the images that accuracy needs. They race: those that have
    clearly lost after a few images see no more. Confidences are averages of the posterior over
    resampled images (BayesBag; Huggins and Miller 2023, doi:10.1214/21-BA1301): a network's
    probabilities are not to be believed to the last digit, as a plain posterior does.

    Args:
        network: Takes a float batch of normalized pixels, shape ``(N, C, H, W)``, and gives logits
            or probabilities, shape ``(N, K)``: a module in evaluation mode or any callable.
        pixels: uint8, or floats in [0, 1], shape ``(N, C, H, W)``, as the network is to see them
            before any normalization; red first.
        labels: The output that is right for each, shape ``(N,)``.
        given: Constants to try beside the known ones.
        refined: Whether to look for the likeliest constants near the best candidate, which takes
            some ten passes over the images for each channel.
        on_progress: Called with how often an image has been shown, and how often it may yet be;
            those that lose are shown fewer.

    Returns:
        The candidates, the most likely first.

    Raises:
        NormscopeError: If images or labels are too few or do not fit, or the network is no
            classifier.
    """
    _check(pixels, labels)
    generator = np.random.default_rng(0)
    shuffled = generator.permutation(len(labels))
    pixels, labels = pixels[shuffled], labels[shuffled].astype(np.int64)
    everyone = [*candidates(pixels.shape[1]), *given]
    full, tables = _race(network, pixels, labels, everyone, generator, on_progress)
    found = None
    if refined:
        best, whole = full.candidates[full.best], Asking(network, pixels)
        found = refine(
            lambda n: tempered_likelihoods(whole.log_probabilities(n, best.order), labels),
            best.normalization,
            spread(whole.pixels),
        )
    shares, none = _posterior(full, found, full.resamples(generator, RESAMPLES))
    confidences = dict(zip(full.candidates, shares.tolist(), strict=True))
    return LabelEvidence.of(everyone, confidences, none, found and found.fitted, tables)


def spread(pixels: Tensor) -> np.ndarray:
    """How far pixels vary, which is what constants are measured in.

    Args:
        pixels: Shape ``(N, C, H, W)``, of any brightness.

    Returns:
        Standard deviations above 0, shape ``(C,)``; of darker images as much smaller.
    """
    found = pixels.std((0, 2, 3)).double().numpy()
    return np.maximum(found, SMALLEST_SHARE * found.max() or SMALLEST_SPREAD)


def _race(
    network: Network,
    pixels: np.ndarray,
    labels: np.ndarray,
    everyone: list[Candidate],
    generator: np.random.Generator,
    on_progress: Callable[[int, int], None],
) -> tuple[Tried, tuple[Compared, ...]]:
    """What those who have not lost do on all images, and what was compared on the way."""
    logs: dict[Candidate, list[np.ndarray]] = {candidate: [] for candidate in everyone}
    tried: list[Tried] = []
    tables: list[Compared] = []
    asked, steps, shown = everyone, rounds(len(labels)), 0
    for start, end in zip([0, *steps], steps, strict=False):
        asking = Asking(network, pixels[start:end])
        for done, candidate in enumerate(asked, 1):
            logs[candidate].append(
                _answers(asking, candidate.normalization, candidate.order, labels)
            )
            shown += end - start
            left = (len(asked) - done) * (end - start) + len(asked) * (len(labels) - end)
            on_progress(shown, shown + left)
        tried.append(Tried.of(asked, [np.concatenate(logs[c]) for c in asked], labels[:end]))
        resamples = tried[-1].resamples(generator, RESAMPLES)
        tables.append(compared(tried[-1], resamples, len(steps)))
        first = asked[int(_posterior(tried[-1], None, resamples)[0].argmax())].name
        asked = [c for c in asked if tables[-1].against(c.name, first).nats_interval[0] <= 0]
    return tried[-1], tuple(tables)


def _answers(
    asking: Asking, normalization: Normalization, order: str, labels: np.ndarray
) -> np.ndarray:
    logs = asking.log_probabilities(normalization, order)
    if labels.max() >= logs.shape[1]:
        raise NormscopeError(
            f"labels must be below {logs.shape[1]}, as many as the network has outputs, got "
            f"{labels.max()}. Give each image the index of its output."
        )
    return logs


def _posterior(
    tried: Tried, refined: Refined | None, resamples: np.ndarray
) -> tuple[np.ndarray, float | None]:
    """Bagged posterior of each candidate, and of none of them."""
    images = len(tried.correct)
    believed = COARSE_IMAGES / (COARSE_IMAGES + images)
    known = log_usage(tried.candidates) + math.log(PRIOR_KNOWN)
    logs = believed * resamples @ tried.likelihoods + known
    if refined is None:
        return softmax(logs, axis=1).mean(0), None
    unknown = (
        believed * resamples @ refined.likelihoods
        + refined.log_volume(believed)
        + math.log(1 - PRIOR_KNOWN)
    )
    shares = softmax(np.column_stack([logs, unknown]), axis=1).mean(0)
    return shares[:-1], float(shares[-1])


def _check(pixels: np.ndarray, labels: np.ndarray) -> None:
    if len(pixels) != len(labels):
        raise NormscopeError(
            f"labels must be as many as images, got {len(labels)} for {len(pixels)}. Give one for "
            "each."
        )
    if len(labels) < FEWEST_IMAGES:
        raise NormscopeError(
            f"labelled images must be at least {FEWEST_IMAGES} to compare normalizations, got "
            f"{len(labels)}. Give more."
        )
    if labels.min() < 0:
        raise NormscopeError(
            f"labels must be 0 or more, got {labels.min()}. Give each image the index of its "
            "output."
        )
