r"""How likely each known normalization is, and how likely none of them.

One model for all of it: residuals are normal with covariance :math:`F (1/N + 1/M) +
\mathrm{diag}(\tau_m^2, \tau_s^2)`. :math:`F` is the covariance of what single images add, known
from the :math:`N` images at hand; :math:`M` is how many images BatchNorm's running averages stand
on. The last term is everything else, such as weights that still moved while the averages were
taken: its two sizes are unknown and integrated over, and larger for filters that stay far off at
the best fit, as those do that have nearly died. A known normalization is one point; "none of
them" is a broad prior over all, integrated by Laplace's method (MacKay 2003, *Information Theory,
Inference and Learning Algorithms*, chapters 27 and 28).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import softmax

if TYPE_CHECKING:
    from normscope.detection.system import System

DRIFTS = np.geomspace(0.002, 0.5, 12)
"""Sizes of what is not sampling noise, in running standard deviations, equally likely before."""

SCALES = ((0.7, np.log(0.3), 0.7), (0.3, np.log(10 / 255), 1.2))
"""Prior of an unknown log std: weight, mean and standard deviation of two normals.

The first is for pixels of [0, 1], the second for pixels of 0..255.
"""

MEAN_PRIOR = (0.45, 0.3)

COMMON = 0.3
"""How much of the drift of log stds all filters share, as when all weights grow together.

Measured on 19 small networks trained at a constant rate: the mean over filters of what the log stds
were off at the true constants, beside their spread, beyond what independent noise would give.
"""

FAR_OFF = 4.0
"""Residuals above so many times their median (2.7 standard deviations of a normal) are outliers."""

REFINEMENTS = 3


@dataclass(frozen=True)
class Noise:
    """One pair of sizes of what is not sampling noise.

    Attributes:
        of_mean: Of the means' residuals.
        of_std: Of the log stds' residuals.
    """

    of_mean: float
    of_std: float

    def sizes(self, residuals: int) -> np.ndarray:
        """The size for each residual.

        Args:
            residuals: How many there are, half of them of means.

        Returns:
            Shape ``(residuals,)``.
        """
        return np.repeat([self.of_mean, self.of_std], residuals // 2)


@dataclass(frozen=True)
class Fit:
    """What a system says under one pair of sizes.

    Attributes:
        noise: The pair.
        phi: The most likely unknowns, shape ``(2 C,)``.
        gain: What turns residuals at the expansion point into steps of the unknowns,
            shape ``(2 C, 2 K)``.
        prior_gain: What turns standard normals into steps that the prior alone allows, shape
            ``(2 C, 2 C)``.
        unknown: Log evidence of a normalization that is none of the known.
    """

    noise: Noise
    phi: np.ndarray
    gain: np.ndarray
    prior_gain: np.ndarray
    unknown: float


@dataclass(frozen=True)
class Evidence:
    """What a system says under every pair of sizes.

    Attributes:
        system: The equations.
        centre: Where they were expanded, shape ``(2 C,)``.
        influence: What each image adds there, shape ``(N, 2 K)``.
        inflation: By how much each residual's noise is larger than the usual, shape ``(2 K,)``.
        fits: For each pair.
        likelihoods: Log likelihood of each point asked for under each pair, shape
            ``(points, pairs)``.
    """

    system: System
    centre: np.ndarray
    influence: np.ndarray
    inflation: np.ndarray
    fits: list[Fit]
    likelihoods: np.ndarray

    @property
    def unknown(self) -> float:
        """Log evidence of a normalization that is none of the known, sizes integrated out."""
        return float(
            np.logaddexp.reduce([fit.unknown for fit in self.fits]) - np.log(len(self.fits))
        )

    @property
    def known(self) -> np.ndarray:
        """Log evidence of each point, sizes integrated out, shape ``(points,)``."""
        return np.logaddexp.reduce(self.likelihoods, axis=1) - np.log(len(self.fits))


def weigh(system: System, centre: np.ndarray, points: list[np.ndarray]) -> Evidence:
    """The evidence of points and of a broad prior."""
    residuals = np.array([system.residual(point) for point in points]).reshape(len(points), -1)
    for _ in range(REFINEMENTS):
        expansion = _Expansion.at(system, centre)
        fits = [expansion.fit(noise) for noise in _pairs()]
        step = max(fits, key=lambda fit: fit.unknown).phi - centre
        if np.abs(step).max() < 1e-3:
            break
        centre = centre + step
    else:
        expansion = _Expansion.at(system, centre)
        fits = [expansion.fit(noise) for noise in _pairs()]
    likelihoods = np.array([expansion.likelihoods(noise, residuals) for noise in _pairs()]).T
    return Evidence(system, centre, expansion.influence, expansion.inflation, fits, likelihoods)


def _pairs() -> list[Noise]:
    return [Noise(float(m), float(s)) for m in DRIFTS for s in DRIFTS]


def _inflation(residual: np.ndarray) -> np.ndarray:
    halves = np.abs(residual).reshape(2, -1)
    usual = np.maximum(FAR_OFF * np.median(halves, axis=1, keepdims=True), FAR_OFF * DRIFTS[0])
    return np.maximum(1.0, halves / usual).ravel()


@dataclass(frozen=True)
class _Expansion:
    """A system made linear about one point."""

    centre: np.ndarray
    residual: np.ndarray
    jacobian: np.ndarray
    influence: np.ndarray
    sampling: np.ndarray
    inflation: np.ndarray

    @classmethod
    def at(cls, system: System, centre: np.ndarray) -> _Expansion:
        influence = system.influence(centre)
        averages = system.averages
        of_one = influence.T @ influence / (len(influence) - 1)
        share = 1 / len(influence) + 1 / (averages.batch_size * averages.batches)
        residual = system.residual(centre)
        return cls(
            centre, residual, system.jacobian(centre), influence, of_one * share,
            _inflation(residual),
        )  # fmt: skip

    def whitener(self, noise: Noise) -> tuple[np.ndarray, float]:
        """The inverse of the covariance's Cholesky factor, and the log of its determinant."""
        drift = (noise.sizes(len(self.residual)) * self.inflation) ** 2
        common = np.repeat([0.0, COMMON * noise.of_std], len(drift) // 2)
        factor = np.linalg.cholesky(self.sampling + np.diag(drift) + np.outer(common, common))
        return np.linalg.inv(factor), float(np.log(factor.diagonal()).sum())

    def likelihoods(self, noise: Noise, residuals: np.ndarray) -> np.ndarray:
        whiten, log_volume = self.whitener(noise)
        return -0.5 * ((residuals @ whiten.T) ** 2).sum(1) - log_volume

    def fit(self, noise: Noise) -> Fit:
        whiten, log_volume = self.whitener(noise)
        jacobian, residual = whiten @ self.jacobian, whiten @ self.residual
        channels = len(self.centre) // 2
        parts = []
        for weight, centre, spread in SCALES:
            prior = np.repeat([MEAN_PRIOR[0], centre], channels)
            precision = np.repeat([MEAN_PRIOR[1] ** -2, spread**-2], channels)
            hessian = jacobian.T @ jacobian + np.diag(precision)
            pull = precision * (prior - self.centre) - jacobian.T @ residual
            step = np.linalg.solve(hessian, pull)
            misfit = ((residual + jacobian @ step) ** 2).sum()
            from_prior = (precision * (self.centre + step - prior) ** 2).sum()
            log_evidence = (
                np.log(weight) - 0.5 * (misfit + from_prior) - log_volume
                + 0.5 * (np.log(precision).sum() - np.linalg.slogdet(hessian)[1])
            )  # fmt: skip
            gain = -np.linalg.solve(hessian, jacobian.T @ whiten)
            prior_gain = np.linalg.solve(hessian, np.diag(np.sqrt(precision)))
            parts.append((log_evidence, self.centre + step, gain, prior_gain))
        _, phi, gain, prior_gain = max(parts, key=lambda part: part[0])
        return Fit(
            noise, phi, gain, prior_gain, float(np.logaddexp.reduce([part[0] for part in parts]))
        )


def bootstrap(evidence: Evidence, draws: int, generator: np.random.Generator) -> np.ndarray:
    """Draw the unknowns as they would come out of other images and another training.

    Each draw takes one pair of noise sizes by its evidence; other images at hand; as many other
    images as BatchNorm's running averages stand on; noise of those sizes; and another prior mean,
    so that constants which the statistics leave open get wide intervals. The system is solved
    again by one Newton step from the solution (Schucany and Wang 1991,
    doi:10.1111/j.2517-6161.1991.tb01850.x).

    Args:
        evidence: Of the system.
        draws: How many.
        generator: Draws.

    Returns:
        Shape ``(draws, 2 C)``.
    """
    influence = evidence.influence
    count, averages = len(influence), evidence.system.averages
    seen = averages.batch_size * averages.batches
    even = np.full(count, 1 / count)
    at_hand = generator.multinomial(count, even, draws) / count
    trained = generator.multinomial(max(1, round(seen)), even, draws) / max(1, round(seen))
    changes = (trained - at_hand) @ influence
    shares = softmax([fit.unknown for fit in evidence.fits])
    chosen = generator.choice(len(evidence.fits), draws, p=shares)
    residuals = influence.shape[1]
    drawn = np.empty((draws, len(evidence.centre)))
    for index in np.unique(chosen):
        fit, rows = evidence.fits[index], np.flatnonzero(chosen == index)
        sizes = fit.noise.sizes(residuals) * evidence.inflation
        drift = generator.normal(size=(len(rows), residuals)) * sizes
        common = generator.normal(size=(len(rows), 1)) * COMMON * fit.noise.of_std
        drift[:, residuals // 2 :] += common
        prior = generator.normal(size=(len(rows), drawn.shape[1])) @ fit.prior_gain.T
        drawn[rows] = fit.phi + (changes[rows] + drift) @ fit.gain.T + prior
    return drawn
