"""The equations made linear about one point, and their evidence under every noise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular

from normscope.detection.foreign import LOG_PRIOR, SIZES, scales

if TYPE_CHECKING:
    from collections.abc import Callable

    from normscope.detection.prior import Believed
    from normscope.detection.system import Averages, System

DRIFTS = np.geomspace(0.002, 0.5, 12)
"""Sizes of what is not sampling noise, in running standard deviations, equally likely before."""

COMMON = 0.3
"""How much of the drift of log stds all filters share, as when all weights grow together.

Measured on 19 small networks trained at a constant rate: the mean over filters of what the log stds
were off at the true constants, beside their spread, beyond what independent noise would give.
"""

FAR_OFF = 4.0
"""Residuals above so many times their median (2.7 standard deviations of a normal) are outliers."""


class Weighed(NamedTuple):
    """What an expansion says under every noise: two sizes of drift and one of foreign images.

    Attributes:
        phi: The most likely unknowns, shape ``(pairs, sizes, 2 C)``.
        of_unknown: Log evidence of a normalization that is none of the known together with the
            noise, shape ``(pairs, sizes)``.
        of_known: Likewise of each point asked for, shape ``(points, pairs, sizes)``.
    """

    phi: np.ndarray
    of_unknown: np.ndarray
    of_known: np.ndarray


@dataclass(frozen=True)
class Expansion:
    """A system made linear about one point.

    Attributes:
        system: The equations.
        centre: The point, shape ``(2 C,)``.
        residual: There, shape ``(2 K,)``.
        jacobian: Shape ``(2 K, 2 C)``.
        foreign: What other images than the training's do, shape ``(2 K, R)``.
        prior: What is believed of unknown constants.
        influence: What each image adds, shape ``(N, 2 K)``.
        inflation: By how much each residual's noise is larger than the usual, shape ``(2 K,)``.
    """

    system: System
    centre: np.ndarray
    residual: np.ndarray
    jacobian: np.ndarray
    foreign: np.ndarray
    prior: list[Believed]
    influence: np.ndarray
    inflation: np.ndarray

    @classmethod
    def at(
        cls,
        system: System,
        centre: np.ndarray,
        foreign: Callable[[np.ndarray, np.ndarray], np.ndarray],
        prior: list[Believed],
    ) -> Expansion:
        """Make a system linear.

        Args:
            system: The equations.
            centre: Where.
            foreign: From ``foreign.directions``.
            prior: Of unknown constants.

        Returns:
            The expansion.
        """
        residual, jacobian = system.residual(centre), system.jacobian(centre)
        return cls(
            system, centre, residual, jacobian, foreign(centre, jacobian), prior,
            system.influence(centre), _inflation(residual),
        )  # fmt: skip

    @cached_property
    def sampling(self) -> np.ndarray:
        """Covariance of the residuals by the choice of images alone, shape ``(2 K, 2 K)``."""
        count, averages = len(self.influence), self.system.averages
        of_one = self.influence.T @ self.influence / (count - 1)
        return of_one * (1 / count + 1 / images_averaged(averages))

    def factor(self, pair: int) -> np.ndarray:
        """The lower Cholesky factor of the noise that is not foreign images', ``(2 K, 2 K)``."""
        sizes = self.drift(pair)
        common = self.common(pair)
        return cho_factor(self.sampling + np.diag(sizes**2) + np.outer(common, common), lower=True)[
            0
        ]

    def drift(self, pair: int) -> np.ndarray:
        """Size of each filter's own drift, shape ``(2 K,)``."""
        return np.repeat(_pair(pair), len(self.residual) // 2) * self.inflation

    def common(self, pair: int) -> np.ndarray:
        """Size of the drift that all filters share, shape ``(2 K,)``."""
        return np.repeat([0.0, COMMON * _pair(pair)[1]], len(self.residual) // 2)

    def scales(self, size: np.ndarray) -> np.ndarray:
        """What multiplies each foreign direction, shape ``(R,)``."""
        return scales(size, len(self.centre), self.foreign.shape[1])

    def weigh(self, residuals: np.ndarray, sizes: int) -> Weighed:
        """The evidence under every noise.

        Args:
            residuals: Of each known point, shape ``(points, 2 K)``.
            sizes: How many of ``SIZES`` are weighed.

        Returns:
            The evidence.
        """
        unknowns = len(self.centre)
        columns = np.column_stack([self.foreign, self.jacobian, self.residual, residuals.T])
        pairs = len(DRIFTS) ** 2
        products, volumes = np.empty((pairs, *(columns.shape[1:] * 2))), np.empty(pairs)
        for pair in range(pairs):
            factor = self.factor(pair)
            white = solve_triangular(factor, columns, lower=True)
            products[pair] = white.T @ white
            volumes[pair] = np.log(factor.diagonal()).sum()
        phi = np.empty((pairs, sizes, unknowns))
        of_unknown = np.empty((pairs, sizes))
        of_known = np.empty((len(residuals), pairs, sizes))
        for index, (size, log_prior) in enumerate(
            zip(SIZES[:sizes], LOG_PRIOR[:sizes], strict=True)
        ):
            left, more = _without_foreign(products, self.scales(size))
            prior = log_prior - np.log(pairs) - volumes - more
            squares = np.diagonal(left, axis1=1, axis2=2)[:, unknowns + 1 :]
            of_known[:, :, index] = (prior[:, None] - 0.5 * squares).T
            step, logs, _ = self._solved(left)
            phi[:, index], of_unknown[:, index] = self.centre + step, prior + logs
        return Weighed(phi, of_unknown, of_known)

    def gain(self, pair: int, size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What turns residuals into steps of the unknowns, and standard normals into the prior's.

        Args:
            pair: Sizes of drift.
            size: How foreign the images are.

        Returns:
            Shapes ``(2 C, 2 K)`` and ``(2 C, 2 C)``; the second is what the prior alone allows.
        """
        foreign, of_each = self.foreign.shape[1], self.scales(size)
        columns = np.column_stack([self.foreign, self.jacobian, self.residual])
        solved = cho_solve((self.factor(pair), True), columns)
        products = (columns.T @ solved)[None]
        left, _ = _without_foreign(products, of_each)
        inner = np.eye(foreign) + np.outer(of_each, of_each) * products[0, :foreign, :foreign]
        cross = of_each[:, None] * products[0, :foreign, foreign:-1]
        weights = solved[:, foreign:-1] - (
            (solved[:, :foreign] * of_each) @ np.linalg.solve(inner, cross)
        )
        _, _, precision = self._solved(left)
        hessian = left[0, : len(self.centre), : len(self.centre)] + np.diag(precision[0])
        return (
            -np.linalg.solve(hessian, weights.T),
            np.linalg.solve(hessian, np.diag(np.sqrt(precision[0]))),
        )

    def _solved(self, products: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Steps, log evidence and the precision of the prior that fits best, for each pair."""
        unknowns = len(self.centre)
        jacobian, pull = products[:, :unknowns, :unknowns], products[:, :unknowns, unknowns]
        steps, logs, precisions = [], [], []
        for weight, prior, precision in self.prior:
            hessian = jacobian + np.diag(precision)
            step = np.linalg.solve(
                hessian, (precision * (prior - self.centre) - pull)[..., None]
            )[..., 0]  # fmt: skip
            misfit = (
                products[:, unknowns, unknowns] + 2 * (step * pull).sum(1)
                + np.einsum("bp,bpq,bq->b", step, jacobian, step)
            )  # fmt: skip
            from_prior = (precision * (self.centre + step - prior) ** 2).sum(1)
            steps.append(step)
            logs.append(
                np.log(weight) - 0.5 * (misfit + from_prior)
                + 0.5 * (np.log(precision).sum() - np.linalg.slogdet(hessian)[1])
            )  # fmt: skip
            precisions.append(np.broadcast_to(precision, step.shape))
        best, pairs = np.argmax(logs, axis=0), np.arange(len(products))
        return (
            np.stack(steps)[best, pairs],
            np.logaddexp.reduce(logs, axis=0),
            np.stack(precisions)[best, pairs],
        )


def _without_foreign(products: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inner products once the foreign directions are noise too (Woodbury), and the log volume."""
    foreign = len(scale)
    inner = np.eye(foreign) + np.outer(scale, scale) * products[:, :foreign, :foreign]
    cross = scale[:, None] * products[:, :foreign, foreign:]
    taken = cross.transpose(0, 2, 1) @ np.linalg.solve(inner, cross)
    return products[:, foreign:, foreign:] - taken, 0.5 * np.linalg.slogdet(inner)[1]


def _pair(index: int) -> np.ndarray:
    return DRIFTS[list(divmod(index, len(DRIFTS)))]


def images_averaged(averages: Averages) -> float:
    """On how many images the running averages stand."""
    return averages.batch_size * averages.batches


def _inflation(residual: np.ndarray) -> np.ndarray:
    halves = np.abs(residual).reshape(2, -1)
    usual = np.maximum(FAR_OFF * np.median(halves, axis=1, keepdims=True), FAR_OFF * DRIFTS[0])
    return np.maximum(1.0, halves / usual).ravel()
