r"""The equations that a normalization must satisfy: BatchNorm's statistics against predictions.

The unknowns are :math:`\varphi = (\mathrm{mean}_1 .. \mathrm{mean}_C, \log\mathrm{std}_1 ..
\log\mathrm{std}_C)`, in the order of the images' channels. A residual is what BatchNorm has
minus what is predicted: for each channel's mean in units of its running standard deviation, then
for the logarithm of each channel's standard deviation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

SMALLEST_SHARE = np.exp(-16.0)
"""Of its running variance, what is predicted for a filter that these images leave silent."""


@dataclass(frozen=True)
class Averages:
    """The running averages of one BatchNorm.

    Attributes:
        mean: Shape ``(K,)``.
        variance: Shape ``(K,)``, each greater than 0.
        batch_size: Images in each batch of the training.
        batches: Over how many batches they average, as far as their noise goes.
    """

    mean: np.ndarray
    variance: np.ndarray
    batch_size: int
    batches: float


class System(Protocol):
    """Residuals as a function of the unknowns."""

    @property
    def channels(self) -> int:
        """Channels of the images."""
        ...

    @property
    def averages(self) -> Averages:
        """What is to be matched."""
        ...

    def residual(self, phi: np.ndarray) -> np.ndarray:
        """What BatchNorm has minus what is predicted, shape ``(2 K,)``."""
        ...

    def jacobian(self, phi: np.ndarray) -> np.ndarray:
        """Derivatives of the residuals, shape ``(2 K, 2 C)``."""
        ...

    def influence(self, phi: np.ndarray) -> np.ndarray:
        """What each image adds to the predictions, mean 0 over images, shape ``(N, 2 K)``."""
        ...


class LinearSystem:
    """Outputs of a convolution, linear in the pixels: exact, and cheap for any unknowns.

    Args:
        first: From ``response_moments``, shape ``(N, K, 2 C)``.
        second: Likewise, shape ``(N, K, 2 C, 2 C)``.
        bias: The convolution's, shape ``(K,)``.
        averages: What is to be matched.
    """

    def __init__(
        self, first: np.ndarray, second: np.ndarray, bias: np.ndarray, averages: Averages
    ) -> None:
        self.averages = averages
        self.channels = first.shape[2] // 2
        self._first, self._second, self._bias = first, second, bias
        count = len(first)
        self._mean = first.mean(0)
        deviation = first - self._mean
        between = np.einsum("nkp,nkq->kpq", deviation, deviation) / (count - 1)
        outer = np.einsum("kp,kq->kpq", self._mean, self._mean)
        # A batch's variance misses that of its own mean; so does that of these images.
        self._covariance = second.mean(0) - outer + between * (1 / count - 1 / averages.batch_size)

    def residual(self, phi: np.ndarray) -> np.ndarray:
        """What BatchNorm has minus what is predicted.

        Args:
            phi: The unknowns, shape ``(2 C,)``.

        Returns:
            Shape ``(2 K,)``.
        """
        theta = coefficients(phi)
        return residuals(self.averages, self._bias + self._mean @ theta, self._variance(theta))

    def jacobian(self, phi: np.ndarray) -> np.ndarray:
        """Derivatives of the residuals.

        Args:
            phi: The unknowns, shape ``(2 C,)``.

        Returns:
            Shape ``(2 K, 2 C)``.
        """
        theta, slope = coefficients(phi), _slope(phi)
        of_mean = self._mean @ slope / np.sqrt(self.averages.variance)[:, None]
        of_log_std = (self._covariance @ theta) @ slope / self._variance(theta)[:, None]
        return -np.concatenate([of_mean, of_log_std])

    def influence(self, phi: np.ndarray) -> np.ndarray:
        """What each image adds to the predictions.

        Args:
            phi: The unknowns, shape ``(2 C,)``.

        Returns:
            Mean 0 over images, shape ``(N, 2 K)``.
        """
        theta = coefficients(phi)
        squares = np.einsum("nkp,p->nk", self._second @ theta, theta)
        return influences(self.averages, self._first @ theta, squares, self._variance(theta))

    def _variance(self, theta: np.ndarray) -> np.ndarray:
        return at_least_a_little(self.averages, (self._covariance @ theta) @ theta)


def coefficients(phi: np.ndarray) -> np.ndarray:
    """What multiplies raw pixels and what is added to them: ``(1/std, -mean/std)``.

    Args:
        phi: The unknowns, shape ``(2 C,)``.

    Returns:
        Shape ``(2 C,)``.

    Example:
        >>> coefficients(np.array([0.5, np.log(0.25)]))
        array([ 4., -2.])
    """
    mean, log_std = np.split(phi, 2)
    return np.concatenate([np.exp(-log_std), -mean * np.exp(-log_std)])


def at_least_a_little(averages: Averages, variance: np.ndarray) -> np.ndarray:
    """Predicted variances whose logarithm can be taken.

    Args:
        averages: What BatchNorm has.
        variance: Predicted, shape ``(K,)``.

    Returns:
        The same but for filters that hardly answer.
    """
    return np.maximum(variance, SMALLEST_SHARE * averages.variance)


def residuals(averages: Averages, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """What BatchNorm has minus what is predicted, free of each channel's scale.

    Args:
        averages: What BatchNorm has.
        mean: Predicted, shape ``(K,)``.
        variance: Predicted, shape ``(K,)``.

    Returns:
        Shape ``(2 K,)``.
    """
    of_mean = (averages.mean - mean) / np.sqrt(averages.variance)
    return np.concatenate([of_mean, 0.5 * np.log(averages.variance / variance)])


def typical_size(residual: np.ndarray) -> float:
    """How far off the statistics typically are, whatever a few of them are."""
    return float(1.4826 * np.median(np.abs(residual)))


def influences(
    averages: Averages, means: np.ndarray, squares: np.ndarray, variance: np.ndarray
) -> np.ndarray:
    """What each image adds to the predicted means and log standard deviations.

    Args:
        averages: What BatchNorm has.
        means: Of each image, shape ``(N, K)``.
        squares: Means of squares of each image, about the same origin, shape ``(N, K)``.
        variance: Predicted, shape ``(K,)``.

    Returns:
        Mean 0 over images, shape ``(N, 2 K)``.
    """
    mean = means.mean(0)
    deviation = means - mean
    of_variance = squares - squares.mean(0) - 2 * mean * deviation
    return np.concatenate(
        [deviation / np.sqrt(averages.variance), 0.5 * of_variance / variance], axis=1
    )


def _slope(phi: np.ndarray) -> np.ndarray:
    """Derivatives of the coefficients by the unknowns, shape ``(2 C, 2 C)``."""
    mean, log_std = np.split(phi, 2)
    scale = np.exp(-log_std)
    zero = np.zeros((len(mean), len(mean)))
    return np.block([[zero, -np.diag(scale)], [-np.diag(scale), np.diag(mean * scale)]])
