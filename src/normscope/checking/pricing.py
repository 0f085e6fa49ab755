"""What a network loses by what is used, against what it expects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from normscope.auditing.mistakes import correct_values
from normscope.auditing.pairing import accuracy_lost, share
from normscope.auditing.value_map import ValueMap
from normscope.checking.price import Price
from normscope.images.tensors import shared
from normscope.models.preprocessing.claim import RGB

if TYPE_CHECKING:
    from torch import Tensor

    from normscope.auditing.applied import AppliedNormalization
    from normscope.auditing.audited_network import AuditedNetwork
    from normscope.checking.opinions import Opinion
    from normscope.normalization import Normalization


def priced(
    network: AuditedNetwork,
    pixels: np.ndarray,
    labels: np.ndarray | None,
    expected: Opinion,
    used: AppliedNormalization | list[Tensor],
) -> Price:
    """Ask the network about the same images both ways.

    Args:
        network: Answers.
        pixels: uint8, shape ``(N, C, H, W)``.
        labels: The output that is right for each, or None.
        expected: What the network expects.
        used: What is done to these pixels, or the tensors that are made of these images.

    Returns:
        The price.
    """
    given = shared(pixels).to(network.device)
    assert expected.normalization is not None
    right = network.answers(given, _as_it_should_be(expected.normalization, expected.order), None)
    if isinstance(used, list):
        other = network.answers_for(used, None)
    else:
        other = network.answers(given, value_map(used), None)
    if labels is None:
        return Price(*share(other != right), labelled=False, images=len(pixels))
    return Price(
        *accuracy_lost(right == labels, other == labels), labelled=True, images=len(pixels)
    )


def value_map(applied: AppliedNormalization) -> ValueMap:
    """What becomes of a pixel's channels."""
    channels, std = len(applied.order), np.asarray(applied.std)
    matrix = np.zeros((channels, channels))
    matrix[range(channels), list(applied.order)] = 1 / std
    return ValueMap(matrix, -np.asarray(applied.mean) / std)


def _as_it_should_be(normalization: Normalization, order: str) -> ValueMap:
    right = correct_values(normalization)
    if order == RGB:
        return right
    return ValueMap.reversing(normalization.channels).after(right)
