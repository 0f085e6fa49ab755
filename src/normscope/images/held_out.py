"""The test split of a folder that has none: a part of each class, drawn with a fixed seed."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

from normscope.errors import NormscopeError
from normscope.images.splits import SPLIT_SEED, stratified_sample

if TYPE_CHECKING:
    from pathlib import Path

Image = TypeVar("Image")

SHARE = 0.2
"""What is usually held back of a collection without splits."""


def hold_out(
    path: Path, classes: dict[str, list[Image]]
) -> tuple[dict[str, list[Image]], dict[str, list[Image]]]:
    """Split images into those to train on and those to test on.

    Args:
        path: The folder that the class folders lie in.
        classes: Images by class, in an order that is the same everywhere.

    Returns:
        Both, each with every class.

    Raises:
        NormscopeError: If a class has a single image.
    """
    train, test = {}, {}
    for name, images in classes.items():
        if len(images) < 2:
            raise NormscopeError(
                f"{path / name} must hold at least 2 images, one to train on and one to test on, "
                "got 1. Add images or remove the folder."
            )
        count = max(1, round(SHARE * len(images)))
        drawn = set(stratified_sample(np.zeros(len(images)), count, SPLIT_SEED).tolist())
        train[name] = [image for k, image in enumerate(images) if k not in drawn]
        test[name] = [image for k, image in enumerate(images) if k in drawn]
    return train, test
