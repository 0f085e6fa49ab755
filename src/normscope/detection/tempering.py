"""The likelihood of labels, as a network would give it if it were neither too sure nor too shy.

Networks are surer than they are right, the more so the higher the contrast of what they are shown.
Divided by the one temperature that fits best (Guo et al. 2017, arXiv:1706.04599), their logits tell
by their order and proportion alone which normalization suits them.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar

from normscope.detection.answers import log_softmax

LOG_TEMPERATURES = (-3.0, 6.0)


def tempered_likelihoods(logs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Log likelihood of each image's label at the temperature that fits all of them best.

    Args:
        logs: Log probabilities, shape ``(N, K)``; an image with nan counts as a guess.
        labels: Shape ``(N,)``.

    Returns:
        In nats, shape ``(N,)``.
    """
    guess = np.isnan(logs[:, :1])
    logs = np.where(guess, -np.log(logs.shape[1]), logs)
    rows = np.arange(len(labels))

    def at(log_temperature: float) -> np.ndarray:
        return log_softmax(logs * np.exp(-log_temperature))[rows, labels]

    best = minimize_scalar(
        lambda t: -at(t).mean(), bounds=LOG_TEMPERATURES, method="bounded", options={"xatol": 1e-3}
    )
    return at(float(best.x))  # type: ignore[attr-defined]
