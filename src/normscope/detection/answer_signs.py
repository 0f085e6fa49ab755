"""What a network's answers and layers look like where it is shown what it was trained on.

A network that was trained by cross entropy answers, averaged over images like those of its
training, with the frequencies of the classes: the gradient by the bias of its last layer is the
difference of both, and a finished training has driven it to about 0. So where images are as they
were, the average answer is balanced, to a small part of what answers vary by from image to image,
better than under constants that nobody uses, and no more with brighter images than with darker
ones. The network also tells the images apart, and says the same of an image that is moved a little;
no more contrast makes it do so better (by the information that both answers share, which Ji et al.
2019, arXiv:1807.06653, cluster by). Where BatchNorm was folded into the first layer, the outputs
of that layer still have a mean near 0 and a std near 1.
"""

from __future__ import annotations

import numpy as np

from normscope.detection.answer_views import (
    BRIGHTER,
    DARKER,
    HARDER,
    HARDER_SHIFTED,
    PLAIN,
    SHIFTED,
    SOFTER,
    SOFTER_SHIFTED,
    VIEWS,
    View,
)

ANSWER_SIGNS = (
    "balanced", "balanced beside others", "even in brightness", "gain by contrast",
    "same in place", "balanced before softmax", "telling apart, of most", "certain",
)  # fmt: skip
LAYER_SIGNS = ("first layer centred", "first layer unit", "layers centred", "as if folded")

STILL_OFF = 0.01
"""A training ends while averages are off by a tenth of what answers vary by: this is its square."""

LEAST_OFF = 0.015
"""Averages of a class's answers are off by this share of its frequency at least."""

POOLED = 0.1
"""So much of an answer's variance is taken from all classes: one that no image is given has none,
where classes are more than images."""

LEAST_IMBALANCE, LEAST_RANK, LEAST_CHANGE, LEAST_BIAS = 0.3, 0.02, 0.003, 0.01
"""Less than this is as good as nothing."""

CERTAIN, LEAST_LOG_CHANCE = 0.99, np.log(0.001)
MOST_CLASSES = 512
"""Pairs of answers are counted for so many classes; the rarer ones are taken together."""

LEAST_OFFSET, LEAST_LOG = 0.02, 0.03
"""What noise over some tens of images leaves of a mean and of a log std."""

FOLDED_SPREAD = 0.2
"""Log stds of channels behind a folded BatchNorm differ by less, unless trained for long."""


def imbalance(logs: np.ndarray) -> np.ndarray:
    """How far average answers are from one frequency for all classes, in units of their noise.

    Args:
        logs: Log probabilities, shape ``(..., N, K)``; nan counts as a guess.

    Returns:
        The mean square over classes, shape ``(...)``.
    """
    chances = np.exp(_guessed(logs))
    images, classes = chances.shape[-2:]
    off, variance = chances.mean(-2) - 1 / classes, chances.var(-2)
    variance = (1 - POOLED) * variance + POOLED * variance.mean(-1, keepdims=True)
    noise = variance * (1 / images + STILL_OFF) + (LEAST_OFF / classes) ** 2
    return (off**2 / noise).mean(-1)


def information(logs: np.ndarray) -> np.ndarray:
    """How much an answer tells of which image it was, from 0 to 1.

    Args:
        logs: As for ``imbalance``.

    Returns:
        Mutual information, as a share of what there can be, shape ``(...)``.
    """
    logs = _guessed(logs)
    each = -(np.exp(logs) * logs).sum(-1).mean(-1)
    return (_entropy(np.exp(logs).mean(-2)) - each) / _most(logs)


def answer_signs(logs: np.ndarray, others: np.ndarray, most_apart: float) -> np.ndarray:
    """Signs in a network's answers, for each candidate.

    Args:
        logs: Log probabilities, shape ``(candidates, views, N, K)``; nan counts as a guess.
        others: Imbalance under constants that nobody uses, shape ``(others,)``.
        most_apart: The most information under any candidate.

    Returns:
        Shape ``(candidates, signs)``, in the order of ``ANSWER_SIGNS``.
    """
    logs = _guessed(logs)
    most, at = _most(logs), {view: index for index, view in enumerate(VIEWS)}
    plain, shifted = logs[:, at[PLAIN]], logs[:, at[SHIFTED]]
    off = imbalance(plain)

    def even(view: View) -> np.ndarray:
        return _entropy(np.exp(logs[:, at[view]]).mean(1)) / most

    def shared(view: View, moved: View) -> np.ndarray:
        pairs = zip(np.exp(logs[:, at[view]]), np.exp(logs[:, at[moved]]), strict=True)
        return np.array([_shared(one, other) for one, other in pairs]) / most

    centred = plain - plain.mean(-1, keepdims=True)
    bias = (centred.mean(1) ** 2).mean(-1) / (centred.var(1).mean(-1) + 1e-6)
    as_balanced = (others <= off[:, None]).mean(1)
    return np.column_stack(
        [
            -np.log(off + LEAST_IMBALANCE),
            -np.log(as_balanced + LEAST_RANK),
            -np.log(np.abs(even(BRIGHTER) - even(DARKER)) + LEAST_CHANGE),
            shared(HARDER, HARDER_SHIFTED) - shared(SOFTER, SOFTER_SHIFTED),
            (np.exp(plain) * np.maximum(shifted, LEAST_LOG_CHANCE)).sum(-1).mean(1) / most,
            -np.log(bias + LEAST_BIAS),
            information(plain) / max(most_apart, 1e-6),
            (plain.max(-1) > np.log(CERTAIN)).mean(1),
        ]
    )


def _guessed(logs: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(logs), -np.log(logs.shape[-1]), logs)


def _most(logs: np.ndarray) -> float:
    """The largest entropy: fewer images than classes cannot be even over all of them."""
    return float(np.log(min(logs.shape[-2:])))


def _entropy(chances: np.ndarray) -> np.ndarray:
    return -(chances * np.log(chances + 1e-12)).sum(-1)


def _shared(one: np.ndarray, other: np.ndarray) -> float:
    """Information that answers to two views of the same images share (Ji et al. 2019)."""
    if one.shape[1] > MOST_CLASSES:
        order = np.argsort(-(one + other).sum(0), kind="stable")
        often, rest = order[: MOST_CLASSES - 1], order[MOST_CLASSES - 1 :]
        one, other = (np.column_stack([p[:, often], p[:, rest].sum(1)]) for p in (one, other))
    joint = one.T @ other / len(one)
    joint = (joint + joint.T) / 2
    return float(2 * _entropy(joint.sum(1)) - _entropy(joint.ravel()))


def layer_signs(levels: np.ndarray) -> np.ndarray:
    """Signs at the layers, for each candidate.

    Args:
        levels: As ``layer_levels`` gives them, shape ``(candidates, layers, 4)``.

    Returns:
        Shape ``(candidates, signs)``, in the order of ``LAYER_SIGNS``.
    """
    offset, log, spread = levels[:, 0, :3].T
    folded = np.exp(-((spread / FOLDED_SPREAD) ** 2))
    return np.column_stack(
        [
            -np.log(offset + LEAST_OFFSET) * folded,
            -np.log(np.abs(log) + LEAST_LOG) * folded,
            -np.log(levels[:, :, 0].mean(1) + LEAST_OFFSET),
            folded,
        ]
    )
