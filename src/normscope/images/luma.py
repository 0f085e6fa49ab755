"""What ``--channels`` asks for: images in colour or in grey."""

from __future__ import annotations

import numpy as np

from normscope.errors import NormscopeError
from normscope.images.pixels import UnreadableImage

LUMA = (19_595, 38_470, 7_471)
"""Rec. ITU-R BT.601 weights times 2**16, as Pillow's grey conversion has them."""


def check_channels(channels: str | None) -> None:
    """Refuse what is neither ``rgb``, ``grey`` nor left out.

    Args:
        channels: What ``--channels`` was given.

    Raises:
        NormscopeError: If it is something else.
    """
    if channels not in {None, "rgb", "grey"}:
        raise NormscopeError(
            f"--channels must be rgb or grey, got '{channels}'. Choose one of these."
        )


def luma(values: np.ndarray) -> np.ndarray:
    """Images in grey.

    Args:
        values: Shape ``(N, 3, ...)``: red, green and blue; or grey already, ``(N, 1, ...)``.

    Returns:
        Shape ``(N, 1, ...)`` in the same type; whole numbers are rounded.

    Example:
        >>> luma(np.array([[[[255]], [[0]], [[0]]]], np.uint8)).item()
        76
    """
    if values.shape[1] == 1:
        return values
    if values.dtype.kind == "f":
        weights = np.array(LUMA) / 2**16
        return np.einsum("nc...,c->n...", values, weights)[:, None].astype(values.dtype)
    wide = values.astype(np.uint64 if values.dtype.kind == "u" else np.int64)
    weights = np.array(LUMA, wide.dtype)
    # By halves, because a weight times a number of 64 bits has 80.
    half, mask = wide.dtype.type(32), wide.dtype.type(2**32 - 1)
    high = np.einsum("nc...,c->n...", wide >> half, weights)
    low = np.einsum("nc...,c->n...", wide & mask, weights)
    quarter, middle = wide.dtype.type(16), wide.dtype.type(2**15)
    return ((high << quarter) + ((low + middle) >> quarter))[:, None].astype(values.dtype)


def with_channels(
    values: np.ndarray, valid: np.ndarray | None, channels: str | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Images as ``--channels`` asks for them.

    Args:
        values: Shape ``(N, C, H, W)``.
        valid: Which pixels count, or None for all.
        channels: ``rgb``, ``grey``, or None to leave them. Grey ones stay one channel even for
            ``rgb``: three equal channels are made of it where they are needed.

    Returns:
        The images and which of their pixels count.

    Raises:
        UnreadableImage: If they are neither grey nor colour.
    """
    if channels is None:
        return values, valid
    met = values.shape[1]
    if met not in {1, 3, 4}:
        raise UnreadableImage(f"{met} channels cannot be seen as {channels}")
    if valid is not None and valid.shape[1] > 1:
        valid = np.asarray(valid[:, :3])
        if channels == "grey":
            valid = np.asarray(valid.all(axis=1, keepdims=True))
    if met == 1:
        return values, valid
    return (values[:, :3] if channels == "rgb" else luma(values[:, :3])), valid
