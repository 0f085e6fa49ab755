r"""How BatchNorm's statistics would differ if the images were not those of the training.

Whoever asks rarely has the training's images, and never all of its augmentation. Other images are
brighter or darker, of more or less contrast, smoother (a zoom, a rotation, another resizing, JPEG),
more or less colourful, or have black edges. Each of these moves all filters together in a known
direction, found by altering the images at hand. How far they have moved is unknown: normal with the
size given here times :math:`\lambda`, over which the evidence is summed, under known and unknown
normalizations alike. Smoothness, colour and edges show in the misfit, so that a good fit says that
:math:`\lambda` is small, and a bad one that brightness and contrast may be off as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it

from normscope.detection.patches import as_unit_range

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from normscope.detection.system import System

ALTERED_IMAGES = 32
"""So many are altered: the same ones unaltered are taken off, so that a few are enough."""

EDGE_SHARE = 10
CHROMA = 0.2
OPPONENT = ((1.0, 0.0, -1.0), (-0.5, 1.0, -0.5))
"""Red against blue, and green against both."""

BRIGHTNESS, BRIGHTNESS_OF_CHANNEL = 0.04, 0.03
CONTRAST, CONTRAST_OF_CHANNEL = 0.13, 0.04
"""Prior sizes, in units of pixels of [0, 1] and of log stds. Of dark images those of brightness are
less in proportion (``prior.Sizes.used``)."""

ALTERATIONS = (1.1, 0.9, 0.15, 0.75)
"""Prior sizes in units of what ``altered`` does: fine and coarse smoothing, edges and colour."""

SIZES = np.array(
    [(0, 0), (0.5, 0.25), (1, 0.25), (0.5, 0.5), (1, 0.5), (1, 1), (2, 1), (2, 2), (4, 2), (6, 3)]
)
LOG_PRIOR = np.log([0.4, 0.14, 0.08, 0.1, 0.08, 0.1, 0.05, 0.03, 0.015, 0.005])
r"""The pairs that :math:`\lambda` may be, for brightness and contrast, and for alterations.

The four constants above are near their most likely sizes, by the residuals at the true
normalizations of 64 detections with other images or an augmentation that is not tried: 42 networks
of ``benchmarks/foreign_images.py``, seeds 0 to 41. By the same likelihood 6 detections with neither
had (0, 0); with an unnamed augmentation alone alterations were at most 0.5 in 30 of 32, with images
of another collection 1 in 15 of 32. The largest pairs are for images more foreign than these.
"""

SURE_OF_FOREIGN = 0.35
"""What a log probability counts where the images are foreign.

They differ in more ways than are known here, and these again move all filters together, so that the
filters say less than as many independent ones. On the same networks 0.4 had the least log loss, and
0.3 as much within 1 %: 0.68 for each, and 0.93 for 1.
"""

DOUBTED_MISFIT = 0.12
"""At this misfit half of what foreign images say against all known normalizations is not believed.

Images that differ so much that no constants explain their log stds also differ in ways that
constants do explain, and then other constants than the true ones fit best. Of 164 detections of the
networks 0 to 41 and 1000 to 1047, "none of the known" had more than 0.5 in 6 of 109 of known
normalizations (13 without this), and in 46 of 55 of random ones (48). From 0.1 to 0.2 the log loss
is the same within 3 %.
"""


def altered(images: Tensor) -> list[Tensor]:
    """Some of the images as they are, and altered in each way.

    Args:
        images: uint8 or floating point in [0, 1], shape ``(N, C, H, W)``.

    Returns:
        float64, each of the shape ``(M, C, H, W)``: unaltered; half smoothed, finely and more
        coarsely; with black edges; and, of three channels, with other images' greys added to their
        colours.
    """
    rows = np.linspace(0, len(images) - 1, min(len(images), ALTERED_IMAGES)).round()
    plain = as_unit_range(images[np.unique(rows).astype(np.int64)])
    fine = _smoothed(plain, 1)
    coarse = _smoothed(fine, 2)
    height, width = plain.shape[2:]
    row, column = max(1, height // EDGE_SHARE), max(1, width // EDGE_SHARE)
    framed = F.pad(plain[:, :, row:-row, column:-column], (column, column, row, row))
    ways = [plain, (plain + fine) / 2, (plain + coarse) / 2, framed]
    if plain.shape[1] == len(OPPONENT[0]):
        grey = plain.mean(1, keepdim=True)
        mixing = plain.new_tensor(OPPONENT)
        others = torch.cat([grey.roll(1, 0), grey.roll(2, 0)], 1)
        added = torch.einsum("nkhw,kc->nchw", others, mixing)
        ways.append(plain + CHROMA * (added - added.mean((0, 2, 3), keepdim=True)))
    return ways


def directions(
    systems: list[System], unit: float = 1.0
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """What foreign images do to the residuals.

    Args:
        systems: Of what ``altered`` gives, in its order.
        unit: Of the images' brightness.

    Returns:
        A function of the unknowns and of the jacobian there; what it returns has a column for each
        direction, times its prior size: first those of brightness and contrast.
    """

    def at(phi: np.ndarray, jacobian: np.ndarray) -> np.ndarray:
        plain, *others = (system.residual(phi) for system in systems)
        changes = [
            size * (residual - plain)[:, None]
            for size, residual in zip(ALTERATIONS, others, strict=False)
        ]
        by_mean, by_log_std = np.split(jacobian, 2, axis=1)
        # Contrast leaves the mean of the pixels where it is.
        by_contrast = by_log_std.copy()
        by_contrast[: len(by_contrast) // 2] = 0
        return np.concatenate(
            [
                unit * BRIGHTNESS * by_mean.sum(1, keepdims=True),
                unit * BRIGHTNESS_OF_CHANNEL * by_mean,
                CONTRAST * by_contrast.sum(1, keepdims=True),
                CONTRAST_OF_CHANNEL * by_contrast,
                *changes,
            ],
            axis=1,
        )

    return at


def scales(size: np.ndarray, unknowns: int, columns: int) -> np.ndarray:
    """What multiplies each direction.

    Args:
        size: Of ``SIZES``.
        unknowns: How many constants there are.
        columns: How many directions.

    Returns:
        Shape ``(columns,)``.
    """
    of_levels = unknowns + 2
    return np.repeat(size, [of_levels, columns - of_levels])


def _smoothed(images: Tensor, step: int) -> Tensor:
    taps = images.new_tensor([0.25, 0.5, 0.25])
    kernel = torch.outer(taps, taps).repeat(images.shape[1], 1, 1, 1)
    padded = F.pad(images, (step,) * 4, mode="replicate")
    return F.conv2d(padded, kernel, dilation=step, groups=images.shape[1])
