"""Which normalization suits a network, by its answers alone: without labels or BatchNorm."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from normscope.detection.answer_evidence import Answered, AnswerEvidence
from normscope.detection.answer_signs import ANSWER_SIGNS, LAYER_SIGNS, answer_signs, layer_signs
from normscope.detection.answer_views import PLAIN, VIEWS, Views
from normscope.detection.answer_weights import OF_ANSWERS, OF_ANSWERS_AND_LAYERS
from normscope.detection.candidates import Candidate, candidates
from normscope.detection.layer_levels import layer_levels, reachable
from normscope.detection.usage import log_usage
from normscope.errors import NormscopeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from normscope.detection.answers import Network

FEWEST_IMAGES, MOST_IMAGES, PIXELS = 32, 128, 2**21
"""Weights were learned on 128 small images; of large ones fewer are shown, for they take longer."""

LEVEL_IMAGES = 64
CONTENDERS = 8
"""So many candidates, whose answers are the most even, are shown in every view."""


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
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Signs:
    """Show a network its images under some normalizations, in every view, and see what it does.

    Args:
        network: As ``weigh_by_answers`` takes it.
        pixels: Likewise.
        asked: The normalizations.
        layers: Whether to watch its layers, if they can be reached.
        on_progress: As for ``weigh_by_answers``.

    Returns:
        The signs of those whose answers are the most even.
    """
    pixels = pixels[_spread(len(pixels), _enough(pixels))]
    views = Views.of(network, pixels)
    watch = layers and reachable(network)
    total = len(asked) + min(CONTENDERS, len(asked)) * (len(VIEWS) - 1 + watch)
    told = itertools.count(1)

    def shown(answers: np.ndarray) -> np.ndarray:
        on_progress(next(told), total)
        return answers

    plain = np.array([shown(views.log_probabilities(c, PLAIN)) for c in asked])
    chosen = contending(plain)
    contenders = [asked[i] for i in chosen]
    logs = np.array(
        [
            plain[chosen]
            if view == PLAIN
            else [shown(views.log_probabilities(c, view)) for c in contenders]
            for view in VIEWS
        ]
    ).swapaxes(0, 1)
    levels = None
    if watch:
        few = views.asked[PLAIN].on(pixels[_spread(len(pixels), min(len(pixels), LEVEL_IMAGES))])
        levels = [shown(layer_levels(network, few, c)) for c in contenders]  # type: ignore[arg-type]
    seen = levels is not None and len(levels[0]) > 0
    return Signs(contenders, answer_signs(logs), layer_signs(np.array(levels)) if seen else None)


def contending(plain: np.ndarray) -> np.ndarray:
    """Which candidates have the most even answers.

    Args:
        plain: Log probabilities, shape ``(candidates, N, K)``.

    Returns:
        Their indices, in order.
    """
    average = np.exp(np.nan_to_num(plain, nan=-np.inf)).mean(1)
    even = -(average * np.log(average + 1e-12)).sum(1)
    return np.sort(np.argsort(-even, kind="stable")[:CONTENDERS])


def weigh_by_answers(
    network: Network,
    pixels: np.ndarray,
    *,
    layers: bool = True,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
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
        layers: Whether to watch the network's layers, where they can be reached.
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
    signs = measure(network, pixels, everyone, layers=layers, on_progress=on_progress)
    names = ANSWER_SIGNS + (() if signs.layers is None else LAYER_SIGNS)
    model = OF_ANSWERS if signs.layers is None else OF_ANSWERS_AND_LAYERS
    chances = np.exp(model.log_probabilities(signs.all(), log_usage(signs.contenders)))
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
