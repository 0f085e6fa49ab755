"""How a device's memory is shared out among the trials of a stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from normscope.models.lenet import HIDDEN, MAPS

if TYPE_CHECKING:
    from normscope.images.decoded import DecodedSource
    from normscope.trials.spec import TrialSpec

EVALUATION_BATCH = 128
"""Images tested at a time: enough to fill the machine, few enough to stay in its caches."""

COMPUTE = {"fp32": torch.float32, "bf16": torch.bfloat16}
"""What convolutions are computed in."""

CPU_BYTES = 1 << 30
GPU_SHARE = 0.8


def models_that_fit(spec: TrialSpec, source: DecodedSource, trunk: str) -> int:
    """How many LeNets train together in their device's memory, by a generous estimate.

    Args:
        spec: One of the trials: its device, precision and batches.
        source: Gives the size of the images.
        trunk: The implementation's name, from ``TRUNKS``.

    Returns:
        At least 1.
    """
    height, width = source.image_size
    features = MAPS * ((height - 4) // 2) * ((width - 4) // 2)
    images = max(spec.recipe.batch_size, EVALUATION_BATCH)
    hidden, maps = HIDDEN * (height - 2) * (width - 2), MAPS * (height - 4) * (width - 4)
    unfolded = 2 * 9 * hidden if trunk == "products" else 0
    # Twice each map, for its gradient, and indices of eight bytes under the pooling.
    activations = images * (
        (2 * (hidden + maps) + unfolded) * COMPUTE[spec.precision].itemsize + 8 * features
    )
    # Weights, gradients and two running means, and the copy that is computed with.
    bytes_ = activations + 20 * 130 * features
    if spec.device == "cuda":
        available = int(GPU_SHARE * torch.cuda.mem_get_info()[0])
    else:
        available = CPU_BYTES
    return max(1, available // bytes_)


def least_stack_bytes(spec: TrialSpec, source: DecodedSource, *, compiled: bool) -> tuple[int, int]:
    """What the training of one LeNet surely holds at once on a CPU.

    Args:
        spec: The trial.
        source: Gives the images.
        compiled: Whether its passes are compiled.

    Returns:
        Bytes for its weights, gradients and the optimizer's running numbers, and for a batch.
    """
    (height, width), number = source.image_size, COMPUTE[spec.precision].itemsize
    images = min(spec.recipe.batch_size, len(source.train))
    features = MAPS * ((height - 4) // 2) * ((width - 4) // 2)
    hidden, maps = HIDDEN * (height - 2) * (width - 2), MAPS * (height - 4) * (width - 4)
    first_linear = 128 * features
    weights = (4 if spec.recipe.optimizer == "adadelta" else 3) * 4 * first_linear
    if number < 4:
        weights += number * first_linear  # the copy that is computed with
    if compiled:
        # These need numba.
        from normscope.models.stacked.winograd_geometry import GROUP, Geometry
        from normscope.models.winograd.matrices import TRANSFORMED

        geometry = Geometry(source.channels, height, width)
        tiles = geometry.tiles.down * geometry.tiles.across
        buffers = min(spec.threads, -(-images // GROUP)) * min(images, GROUP)
        transformed = TRANSFORMED * tiles * (HIDDEN + MAPS)
        return weights, 4 * (images * (hidden + 3 * features) + buffers * transformed)
    # At the gradient of the pooling: features with it and where they come from, both maps.
    return weights, images * (number * (hidden + 2 * maps + 2 * features) + 8 * features)
