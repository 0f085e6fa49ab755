"""How often networks are trained under each known normalization, before anything is seen.

No census: the weights of torchvision, timm, Keras and transformers, and what tutorials do. It
decides between candidates that a network hardly tells apart, such as ``imagenet`` and ``clip``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from normscope.detection.candidates import KNOWN
from normscope.detection.ranking import PRIOR_GIVEN, PRIOR_KNOWN, PRIOR_USUAL_ORDER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from normscope.detection.candidates import Candidate

COLOUR = {
    "imagenet": 0.3, "half": 0.2, "none": 0.2, "0..255": 0.1, "clip": 0.05, "caffe": 0.05,
    "centred 0..255": 0.04, "cifar10": 0.03, "cifar10 image std": 0.02, "mnist": 0.005,
    "fashion-mnist": 0.005,
}  # fmt: skip
ONE_VALUE = {
    "none": 0.3, "half": 0.25, "mnist": 0.2, "0..255": 0.13, "centred 0..255": 0.07,
    "fashion-mnist": 0.05,
}  # fmt: skip
"""For images without colour: normalizations with one value for all channels."""


def log_usage(chosen: Sequence[Candidate]) -> np.ndarray:
    """Log of how often each candidate is used, of all networks under known normalizations.

    Given constants have their own prior on that scale.

    Args:
        chosen: Of one number of channels.

    Returns:
        Shape ``(candidates,)``.
    """
    colour = chosen[0].normalization.channels == 3
    shares = COLOUR if colour else ONE_VALUE
    order = {True: PRIOR_USUAL_ORDER, False: 1 - PRIOR_USUAL_ORDER}

    def used(candidate: Candidate) -> float:
        if candidate.given:
            return PRIOR_GIVEN / PRIOR_KNOWN
        names = {n: {n, f"{n}, rgb", f"{n}, bgr"} for n in KNOWN}
        return shares[next(n for n, forms in names.items() if candidate.name in forms)]

    return np.log([used(c) * (order[c.usual] if colour else 1) for c in chosen])
