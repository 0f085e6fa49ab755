"""From signs to probabilities: a conditional logit (McFadden 1974) over candidates and none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax


@dataclass(frozen=True)
class AnswerModel:
    """What each sign counts.

    Attributes:
        centre: Of each sign, shape ``(signs,)``.
        scale: By what it is divided.
        weights: What it adds to a candidate's log odds.
        none: Log odds of none of the known, beside a candidate without any sign.
        enough: A probability that is reported as a confidence of 0.5.
    """

    centre: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    none: float
    enough: float = 0.5

    def log_probabilities(self, signs: np.ndarray, log_prior: np.ndarray) -> np.ndarray:
        """Of each candidate, and of none of them.

        Args:
            signs: Shape ``(candidates, signs)``.
            log_prior: Of the candidates, shape ``(candidates,)``.

        Returns:
            Shape ``(candidates + 1,)``, the last of none.
        """
        odds = log_prior + (signs - self.centre) / self.scale @ self.weights
        return log_softmax(np.append(odds, self.none))

    def confidences(self, signs: np.ndarray, log_prior: np.ndarray) -> np.ndarray:
        """The probabilities, with those of candidates understated where they are thin.

        What is above 0.5 is acted on, and nine in ten such claims are to be right, which those of
        0.5 to ``enough`` are not. Between 0, ``enough`` and 1 confidences are linear.

        Args:
            signs: As for ``log_probabilities``.
            log_prior: Likewise.

        Returns:
            Of each candidate, and of none of them, shape ``(candidates + 1,)``.
        """
        chances = np.exp(self.log_probabilities(signs, log_prior))
        first = chances[:-1].max()
        lowered = np.interp(first, [0, self.enough, 1], [0, 0.5, 1])
        chances[:-1] *= lowered / max(first, 1e-12)
        chances[-1] = 1 - chances[:-1].sum()
        return chances


@dataclass(frozen=True)
class Example:
    """A network whose normalization is known.

    Attributes:
        signs: Shape ``(candidates, signs)``.
        log_prior: Shape ``(candidates,)``.
        right: Which candidate, or ``candidates`` for none of them.
    """

    signs: np.ndarray
    log_prior: np.ndarray
    right: int


def learn(examples: list[Example], ridge: float) -> AnswerModel:
    """Weights under which the right answers are likeliest.

    Args:
        examples: Networks.
        ridge: How strongly weights are held near 0.

    Returns:
        The model.
    """
    everything = np.concatenate([example.signs for example in examples])
    centre, scale = everything.mean(0), everything.std(0) + 1e-9

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        model = AnswerModel(centre, scale, parameters[:-1], parameters[-1])
        total = 0.5 * ridge * float(model.weights @ model.weights)
        slope = np.append(ridge * model.weights, 0.0)
        for example in examples:
            logs = model.log_probabilities(example.signs, example.log_prior)
            total -= logs[example.right]
            excess = np.exp(logs)
            excess[example.right] -= 1
            slope[:-1] += (example.signs - centre).T @ excess[:-1] / scale
            slope[-1] += excess[-1]
        return total, slope

    start = np.zeros(everything.shape[1] + 1)
    best = minimize(loss, start, jac=True, method="L-BFGS-B").x
    return AnswerModel(centre, scale, best[:-1], float(best[-1]))
