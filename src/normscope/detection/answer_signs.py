"""What a network's answers and layers look like where it is shown what it was trained on.

A network that was trained by cross entropy answers, averaged over images like those of its
training, with the frequencies of the classes; so its average answer is most even where images are
as they were, and hardly moves with their brightness and contrast there. It also tells the images
apart, and sticks to its answers as they change a little. Where BatchNorm was folded into the first
layer, the outputs of that layer still have a mean near 0 and a std near 1.
"""

from __future__ import annotations

import numpy as np

from normscope.detection.answer_views import (
    BRIGHTNESSES,
    CONTRASTS,
    FLIPPED,
    PLAIN,
    SHIFTED,
    VIEWS,
)

ANSWER_SIGNS = (
    "even", "even in brightness", "even in contrast", "most even in brightness",
    "most even in contrast", "telling apart", "telling apart, of most",
    "gain by contrast", "sure", "kept in brightness", "kept in contrast", "kept in place",
)  # fmt: skip
LAYER_SIGNS = ("first layer centred", "first layer unit", "layers centred", "as if folded")

LEAST_KL, LEAST_CHANGE, LEAST_OFFSET, LEAST_LOG = 0.003, 0.003, 0.02, 0.03
"""What noise over a hundred images leaves of each."""

FARTHEST, NEAREST = 3.0, 0.1
"""How far, in steps of brightness or contrast, the most even answers are looked for."""

FOLDED_SPREAD = 0.2
"""Log stds of channels behind a folded BatchNorm differ by less, unless trained for long."""


def answer_signs(logs: np.ndarray) -> np.ndarray:
    """Signs in a network's answers, for each candidate.

    Args:
        logs: Log probabilities, shape ``(candidates, views, N, K)``; nan counts as a guess.

    Returns:
        Shape ``(candidates, signs)``, in the order of ``ANSWER_SIGNS``.
    """
    classes = logs.shape[-1]
    logs = np.where(np.isnan(logs), -np.log(classes), logs)
    chances = np.exp(logs)
    each = -(chances * logs).sum(-1).mean(2) / np.log(classes)
    average = chances.mean(2)
    # Fewer images than classes cannot be even over all of them.
    most = np.log(min(classes, logs.shape[2]))
    even = -(average * np.log(average + 1e-12)).sum(-1) / most
    apart = even - each * np.log(classes) / most
    at = {view: index for index, view in enumerate(VIEWS)}
    answers = logs.argmax(-1)

    def kept(*views: str) -> np.ndarray:
        same = [(answers[:, at[view]] == answers[:, at[PLAIN]]).mean(1) for view in views]
        return np.mean(same, axis=0)

    def change(values: np.ndarray, views: dict[str, float]) -> np.ndarray:
        less, more = (values[:, at[view]] for view in views)
        return more - less

    def peak(views: dict[str, float]) -> np.ndarray:
        """How near a parabola through three views says that answers are most even."""
        less, more = (even[:, at[view]] for view in views)
        bend = 2 * even[:, plain] - less - more
        steps = np.abs(more - less) / (2 * np.maximum(bend, 1e-9))
        return -np.log(np.minimum(steps, FARTHEST) + NEAREST)

    plain = at[PLAIN]
    return np.column_stack(
        [
            -np.log(np.maximum(1 - even[:, plain], 0) + LEAST_KL),
            -np.log(np.abs(change(even, BRIGHTNESSES)) + LEAST_CHANGE),
            -np.log(np.abs(change(even, CONTRASTS)) + LEAST_CHANGE),
            peak(BRIGHTNESSES),
            peak(CONTRASTS),
            apart[:, plain],
            apart[:, plain] / max(apart[:, plain].max(), 1e-6),
            change(apart, CONTRASTS),
            1 - each[:, plain],
            kept(*BRIGHTNESSES),
            kept(*CONTRASTS),
            kept(FLIPPED, SHIFTED),
        ]
    )


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
