"""The implementations of a stack's convolutions, by name."""

from __future__ import annotations

import importlib.util
from functools import cache
from typing import TYPE_CHECKING

from normscope.errors import UnknownName
from normscope.models.stacked.grouped import GroupedTrunk
from normscope.models.stacked.products import ProductsTrunk

if TYPE_CHECKING:
    from normscope.models.stacked.trunk import Trunk

GPU_TRUNKS = ("channels-last", "products", "triton")
"""Grouped convolutions, matrix products over unfolded images, and kernels of our own."""

TRUNKS = (*GPU_TRUNKS, "winograd")
"""The last one on CPUs only: products of transformed tiles, with passes compiled by numba."""


@cache
def has_triton() -> bool:
    """Whether kernels of our own can be compiled; torch's CUDA wheels for Linux bring Triton."""
    return importlib.util.find_spec("triton") is not None


def open_trunk(name: str) -> Trunk:
    """An implementation by name.

    Args:
        name: A name in ``TRUNKS``.

    Returns:
        A fresh one.

    Raises:
        UnknownName: If the name is unknown.
    """
    if name == "channels-last":
        return GroupedTrunk()
    if name == "products":
        return ProductsTrunk()
    if name == "triton":
        from normscope.models.stacked.triton_trunk import TritonTrunk

        return TritonTrunk()
    if name == "winograd":
        from normscope.models.stacked.winograd import WinogradTrunk

        return WinogradTrunk()
    raise UnknownName("trunk", name, TRUNKS)
