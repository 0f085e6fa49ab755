"""The same equations where the BatchNorm does not read the first convolution itself.

An activation, a pooling or whole layers may lie between; then its input is measured by running the
network on the normalized images, for every normalization that is asked about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from normscope.detection.augmented_views import Views
from normscope.detection.candidates import BGR
from normscope.detection.patches import as_unit_range
from normscope.detection.system import at_least_a_little, coefficients, influences, residuals

if TYPE_CHECKING:
    from torch import Tensor, nn

    from normscope.detection.augmented_views import AssumedAugmentation
    from normscope.detection.target import Target

AT_ONCE = 64
VIEWS = 2
STEP = 1e-3
"""For derivatives: large beside the rounding of a network in float32, small beside its bends."""


class _Reached(Exception):
    """The forward pass has come as far as it is needed."""


class MeasuredSystem:
    """Any network up to a BatchNorm.

    Args:
        model: In evaluation mode.
        target: The BatchNorm.
        images: uint8 or in [0, 1], shape ``(N, C, H, W)``.
        augmentation: What the network was shown of them.
        order: In which the network takes the images' channels.
        seed: Of the places of crops.
    """

    def __init__(
        self,
        model: nn.Module,
        target: Target,
        images: Tensor,
        augmentation: AssumedAugmentation,
        order: str,
        seed: int = 0,
    ) -> None:
        self.averages = target.averages
        self.channels = images.shape[1]
        self._model, self._target, self._order = model, target, order
        views = Views.of(as_unit_range(images), augmentation, seed)
        parameter = next(model.parameters())
        self._pixels = views.pixels[:, :VIEWS].to(parameter)
        self._inside = views.inside[:, :VIEWS].to(parameter)
        self._known: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}

    def residual(self, phi: np.ndarray) -> np.ndarray:
        """What BatchNorm has minus what is measured.

        Args:
            phi: The unknowns, shape ``(2 C,)``.

        Returns:
            Shape ``(2 K,)``.
        """
        means, squares = self._measured(phi)
        return residuals(self.averages, means.mean(0), self._variance(means, squares))

    def jacobian(self, phi: np.ndarray) -> np.ndarray:
        """Derivatives of the residuals, by differences.

        Args:
            phi: The unknowns, shape ``(2 C,)``.

        Returns:
            Shape ``(2 K, 2 C)``.
        """
        steps = np.eye(len(phi)) * STEP
        here = self.residual(phi)
        return np.stack([(self.residual(phi + step) - here) / STEP for step in steps], axis=1)

    def influence(self, phi: np.ndarray) -> np.ndarray:
        """What each image adds to the measurements.

        Args:
            phi: The unknowns, shape ``(2 C,)``.

        Returns:
            Mean 0 over images, shape ``(N, 2 K)``.
        """
        means, squares = self._measured(phi)
        return influences(self.averages, means, squares, self._variance(means, squares))

    def _variance(self, means: np.ndarray, squares: np.ndarray) -> np.ndarray:
        share = 1 / len(means) - 1 / self.averages.batch_size
        within = squares.mean(0) - means.mean(0) ** 2 + means.var(0, ddof=1) * share
        return at_least_a_little(self.averages, within)

    def _measured(self, phi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and mean square of each image in each channel, shapes ``(N, K)``."""
        key = phi.tobytes()
        if key not in self._known:
            parts = [self._forward(phi, start) for start in range(0, len(self._pixels), AT_ONCE)]
            means, squares = (torch.cat(part).cpu().numpy() for part in zip(*parts, strict=True))
            alive = self._target.alive
            self._known = {key: (means[:, alive], squares[:, alive])}
        return self._known[key]

    def _forward(self, phi: np.ndarray, start: int) -> tuple[Tensor, Tensor]:
        pixels = self._pixels[start : start + AT_ONCE]
        inside = self._inside[start : start + AT_ONCE]
        scale, shift = (
            pixels.new_tensor(part).reshape(-1, 1, 1) for part in np.split(coefficients(phi), 2)
        )
        reached: list[Tensor] = []

        def stop(_: nn.Module, given: tuple[Any, ...]) -> None:
            reached.append(given[0])
            raise _Reached

        hook = self._target.module.register_forward_pre_hook(stop)
        try:
            with torch.no_grad():
                shown = (pixels * scale + shift * inside).flatten(0, 1)
                self._model(shown.flip(1) if self._order == BGR else shown)
        except _Reached:
            pass
        finally:
            hook.remove()
        values = reached[0].double().unflatten(0, pixels.shape[:2])
        values = values.flatten(3) if values.ndim > 3 else values[..., None]
        views_and_places = (1, 3)
        return values.mean(views_and_places), values.square().mean(views_and_places)
