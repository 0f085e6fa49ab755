"""Which normalization suits a network, by its answers alone: without labels or BatchNorm."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from normscope.detection.answer_evidence import Answered, AnswerEvidence
from normscope.detection.answer_signs import (
    ANSWER_SIGNS,
    LAYER_SIGNS,
    answer_signs,
    imbalance,
    information,
    layer_signs,
)
from normscope.detection.answer_views import PLAIN, VIEWS, View, Views
from normscope.detection.answer_weights import OF_ANSWERS, OF_ANSWERS_AND_LAYERS
from normscope.detection.candidates import Candidate, candidates
from normscope.detection.layer_levels import layer_levels, reachable
from normscope.detection.other_constants import OTHERS, other_constants
from normscope.detection.usage import log_usage
from normscope.errors import NormscopeError
from normscope.progress import silent

if TYPE_CHECKING:
    from collections.abc import Callable

    from normscope.detection.answers import Network

FEWEST_IMAGES, MOST_IMAGES, PIXELS = 32, 256, 3 * 2**19
"""Weights were learned on 256 small images; of large ones fewer are shown, for they take longer."""

LEVEL_IMAGES = 64
CONTENDERS = 5
"""So many candidates, whose answers are the most balanced, are shown in every view."""


@dataclass(frozen=True)
class Signs:
    """What was measured of the contenders.

    Attributes:
        contenders: Those looked at in every view.
        answers: Signs in their answers, shape ``(contenders, signs)``.
        layers: Signs at the layers, or None where these cannot be reached.
    """

    contenders: list[Candidate]
    answers: np.ndarray
    layers: np.ndarray | None

    def all(self) -> np.ndarray:
        """All signs side by side."""
        parts = [self.answers] if self.layers is None else [self.answers, self.layers]
        return np.column_stack(parts)


def measure(
    network: Network,
    pixels: np.ndarray,
    asked: list[Candidate],
    *,
    layers: bool = True,
    on_progress: Callable[[int, int], None] = silent,
) -> Signs:
    """Show a network its images under some normalizations, in every view, and see what it does.

    Args:
        network: As ``weigh_by_answers`` takes it.
        pixels: Likewise.
        asked: The normalizations.
        layers: Whether to watch its layers, if they can be reached.
        on_progress: As for ``weigh_by_answers``.

    Returns:
        The signs of those whose answers are the most balanced.
    """
    pixels = pixels[_spread(len(pixels), _enough(pixels))]
    views = Views.of(network, pixels)
    watch = layers and reachable(network)
    each = len(VIEWS) - 1 + watch
    total = len(asked) + OTHERS + min(CONTENDERS, len(asked)) * each
    told = itertools.count(1)

    def shown(candidate: Candidate, view: View) -> np.ndarray:
        answers = views.log_probabilities(candidate, view)
        on_progress(next(told), total)
        return answers

    plain = np.array([shown(c, PLAIN) for c in asked])
    others = np.array([imbalance(shown(c, PLAIN)) for c in other_constants(pixels.shape[1])])
    chosen = np.sort(np.argsort(imbalance(plain), kind="stable")[:CONTENDERS])
    contenders = [asked[i] for i in chosen]
    logs = np.array(
        [[plain[i] if view == PLAIN else shown(asked[i], view) for view in VIEWS] for i in chosen]
    )
    signs = answer_signs(logs, others, float(information(plain).max()))
    levels: list[np.ndarray] = []
    if watch:
        few = views.plain.on(pixels[_spread(len(pixels), min(len(pixels), LEVEL_IMAGES))])
        for contender in contenders:
            levels.append(layer_levels(network, few, contender))  # type: ignore[arg-type]
            on_progress(next(told), total)
    seen = bool(levels) and len(levels[0]) > 0
    return Signs(contenders, signs, layer_signs(np.array(levels)) if seen else None)


def weigh_by_answers(
    network: Network,
    pixels: np.ndarray,
    *,
    on_progress: Callable[[int, int], None] = silent,
) -> AnswerEvidence:
    """Try every known normalization, in both orders of channels, on images without labels.

    What is looked at is in ``answer_signs.py``; what each sign counts was learned on small networks
    (``python -m benchmarks.by_answers``). Images should be like those of the training, all classes
    about as often.

    Args:
        network: Takes a float batch of normalized pixels, shape ``(N, C, H, W)``, and gives logits
            or probabilities, shape ``(N, K)``: a module in evaluation mode or any callable.
        pixels: uint8, or floats in [0, 1], shape ``(N, C, H, W)``, as the network is to see them
            before any normalization; red first. Of many, some are used, evenly spread.
        on_progress: Called with how often the images have been shown, and how often they will be.

    Returns:
        The candidates, the most likely first.

    Raises:
        NormscopeError: If images are too few, or the network is no classifier.
    """
    if len(pixels) < FEWEST_IMAGES:
        raise NormscopeError(
            f"images must be at least {FEWEST_IMAGES} to tell a normalization by answers, got "
            f"{len(pixels)}. Give more."
        )
    everyone = candidates(pixels.shape[1])
    signs = measure(network, pixels, everyone, on_progress=on_progress)
    names = ANSWER_SIGNS + (() if signs.layers is None else LAYER_SIGNS)
    model = OF_ANSWERS if signs.layers is None else OF_ANSWERS_AND_LAYERS
    chances = model.confidences(signs.all(), log_usage(signs.contenders))
    found = [
        Answered(candidate, float(chance), dict(zip(names, row.tolist(), strict=True)))
        for candidate, chance, row in zip(signs.contenders, chances, signs.all(), strict=False)
    ]
    found.sort(key=lambda answered: -answered.confidence)
    others = [Answered(c, 0.0, {}) for c in everyone if c not in signs.contenders]
    return AnswerEvidence(
        (*found, *others), float(chances[-1]), _enough(pixels), signs.layers is not None
    )


def _enough(pixels: np.ndarray) -> int:
    most = max(FEWEST_IMAGES, min(MOST_IMAGES, PIXELS // pixels[0, 0].size))
    return min(len(pixels), most)


def _spread(images: int, count: int) -> np.ndarray:
    # Images are often sorted by class.
    return np.linspace(0, images - 1, count).round().astype(np.int64)
