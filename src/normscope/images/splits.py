"""Which images train, which choose and which report: splits drawn by a fixed seed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from normscope.errors import NormscopeError

if TYPE_CHECKING:
    from normscope.images.decoded import DecodedSource

SPLIT_SEED = 0
"""Seeds every split, so that all trials everywhere see the same images in each."""

VALIDATION_SHARE = 0.1


def stratified_sample(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Indices of a random sample that holds each class in its share.

    Shares are rounded by the largest remainder, so that the sample has exactly ``count`` images
    and no class is off by one or more.

    Args:
        labels: Shape ``(N,)``.
        count: How many indices to draw, from 0 to N.
        seed: Seeds the draw.

    Returns:
        Sorted indices, shape ``(count,)``.

    Example:
        >>> labels = np.array([0, 0, 0, 0, 1, 1])
        >>> labels[stratified_sample(labels, 3, seed=0)].tolist()
        [0, 0, 1]
    """
    rng = np.random.default_rng(seed)
    classes, sizes = np.unique(labels, return_counts=True)
    wanted = sizes * count / len(labels)
    drawn = np.floor(wanted).astype(int)
    largest_remainder = np.argsort(drawn - wanted, kind="stable")
    drawn[largest_remainder[: count - drawn.sum()]] += 1
    chosen = [
        rng.permutation(np.flatnonzero(labels == label))[:n]
        for label, n in zip(classes, drawn, strict=True)
    ]
    return np.sort(np.concatenate(chosen))


def with_validation(source: DecodedSource) -> DecodedSource:
    """The source with a validation split: its own, or a stratified tenth of its training images.

    Args:
        source: With or without a validation split of its own.

    Returns:
        A source whose ``validation`` is not None and shares no image with ``train``.

    Raises:
        NormscopeError: If there are too few training images to share.
    """
    if source.validation is not None:
        return source
    total = len(source.train)
    count = max(1, round(total * VALIDATION_SHARE))
    if total - count < 1:
        raise NormscopeError(
            f"{source.name} must have at least 2 training images to hold one back for validation, "
            f"got {total}. Add images."
        )
    held_back = stratified_sample(source.train.labels, count, SPLIT_SEED)
    kept = np.setdiff1d(np.arange(total), held_back)
    return replace(source, train=source.train.take(kept), validation=source.train.take(held_back))


def with_train_images(source: DecodedSource, count: int | None) -> DecodedSource:
    """The source with only so many training images, each class in its share.

    Args:
        source: Its training images are sampled; the other splits stay whole.
        count: How many to keep; None keeps all.

    Returns:
        The smaller source.

    Raises:
        NormscopeError: If there are fewer images than asked for, or fewer than one is asked for.
    """
    if count is None:
        return source
    total = len(source.train)
    if not 1 <= count <= total:
        raise NormscopeError(
            f"--train-images must lie between 1 and {total}, the training images of "
            f"{source.name}, got {count}. Give a number in that range."
        )
    return replace(
        source, train=source.train.take(stratified_sample(source.train.labels, count, SPLIT_SEED))
    )
