r"""How likely each known normalization is, and how likely none of them.

One model for all of it: residuals are normal with covariance :math:`F (1/N + 1/M) +
\mathrm{diag}(\tau_m^2, \tau_s^2) + \lambda^2 D D^\top`. :math:`F` is the covariance of what single
images add, known from the :math:`N` images at hand; :math:`M` is how many images BatchNorm's
running averages stand on. The columns of :math:`D` are what other images than the training's do
(``foreign.py``). The middle term is everything else, such as weights that still moved while the
averages were taken, larger for filters that stay far off at the best fit, as those do that have
nearly died. :math:`\tau_m`, :math:`\tau_s` and :math:`\lambda` are unknown and summed over. A known
normalization is one point; "none of them" is a broad prior over all, integrated by Laplace's method
(MacKay 2003, *Information Theory, Inference and Learning Algorithms*, chapters 27 and 28).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from normscope.detection.expansion import Expansion, Weighed
from normscope.detection.foreign import SIZES

if TYPE_CHECKING:
    from collections.abc import Callable

    from normscope.detection.prior import Believed
    from normscope.detection.system import System

REFINEMENTS = 3
OWN_IMAGES = 1
"""So many of ``SIZES`` stand for the training's own images."""


@dataclass(frozen=True)
class Evidence:
    """What a system says.

    Attributes:
        expansion: The system made linear where it fits best.
        weighed: What that says under every noise.
    """

    expansion: Expansion
    weighed: Weighed

    @property
    def system(self) -> System:
        """The equations."""
        return self.expansion.system

    @property
    def unknown(self) -> np.ndarray:
        """Log evidence of a normalization that is none of the known, the noise summed over.

        Shape ``(2,)``: with the training's own images, and with foreign ones.
        """
        return _own_and_foreign(self.weighed.of_unknown)

    @property
    def known(self) -> np.ndarray:
        """Likewise of each point, shape ``(points, 2)``."""
        return _own_and_foreign(self.weighed.of_known)


def weigh(
    system: System,
    centre: np.ndarray,
    points: list[np.ndarray],
    foreign: Callable[[np.ndarray, np.ndarray], np.ndarray],
    prior: list[Believed],
) -> Evidence:
    """The evidence of points and of a broad prior.

    Args:
        system: The equations.
        centre: Where they are nearly solved, shape ``(2 C,)``.
        points: Known normalizations.
        foreign: From ``foreign.directions``.
        prior: Of constants that are none of these.

    Returns:
        The evidence, expanded where the system fits best.
    """
    residuals = np.array([system.residual(point) for point in points]).reshape(len(points), -1)
    expansion = Expansion.at(system, centre, foreign, prior)
    # Far steps, as foreign images allow them, would leave the place where these are linear.
    for _ in range(REFINEMENTS):
        own = expansion.weigh(residuals[:0], OWN_IMAGES)
        step = own.phi[own.of_unknown[:, 0].argmax(), 0] - centre
        if np.abs(step).max() < 1e-3:
            break
        centre = centre + step
        expansion = Expansion.at(system, centre, foreign, prior)
    return Evidence(expansion, expansion.weigh(residuals, len(SIZES)))


def _own_and_foreign(logs: np.ndarray) -> np.ndarray:
    parts = logs[..., :OWN_IMAGES], logs[..., OWN_IMAGES:]
    return np.stack([np.logaddexp.reduce(part, axis=(-2, -1)) for part in parts], axis=-1)
