"""What holds for every file whose own network is folded as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from normscope.deploy.before import TARGETS
from normscope.errors import NormscopeError
from normscope.images.size import check_length
from normscope.models.options import check_no_weights
from normscope.models.trained import channel_count
from normscope.normalization import BYTES, Normalization
from normscope.writing import check_no_input

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from normscope.deploy.affine import Affine
    from normscope.deploy.options import FoldOptions

SIDE = 224
"""Pixels of an image's side, where neither the user nor the model says more."""

SAME = 0.01
"""Constants that differ by less, in units of the std, are one normalization."""


def check_places(chosen: FoldOptions, source: Path, suffixes: Sequence[str], holding: str) -> None:
    """Refuse other weights than the file's, and a place where its fold cannot be written.

    Args:
        chosen: The options.
        source: The file.
        suffixes: What the new file may end in.
        holding: What such a file holds.

    Raises:
        NormscopeError: If an option does not fit the file.
    """
    check_no_weights(chosen.weights, source)
    if chosen.out.suffix not in suffixes:
        wanted = " or ".join(filter(None, [", ".join(suffixes[:-1]), suffixes[-1]]))
        raise NormscopeError(
            f"--out must end in {wanted}, since the {holding} of {source} is folded as it is, got "
            f"{chosen.out}. Choose another name."
        )
    check_no_input(chosen.out, source)


def named_channels(chosen: FoldOptions, normalization: Normalization) -> int | None:
    """How many channels the options say that images have; None where they leave it open."""
    asked = channel_count(chosen.channels)
    raw = 1 if chosen.to in TARGETS else Normalization.parse(chosen.to).channels
    named = asked or max(normalization.channels, raw)
    return named if named > 1 or asked else None


def channels_of(found: int | None, source: Path, named: int | None) -> int | None:
    """How many channels a file's images have.

    Args:
        found: What the file says.
        source: The file.
        named: What the options say.

    Returns:
        Their number; None where neither says it.

    Raises:
        NormscopeError: If both contradict each other.
    """
    if named is not None and found is not None and named != found:
        raise NormscopeError(
            f"the normalization must have 1 or {found} channels to fit {source}, got {named}. "
            "Give one number for all, or one per channel."
        )
    return found or named


def size_of(
    size: tuple[int | None, int | None], asked: int | None, usual: int = SIDE
) -> tuple[int, int]:
    """Height and width of the images to fold with.

    Args:
        size: What the file says.
        asked: ``--image-size``.
        usual: Where neither says it.

    Returns:
        Pixels.

    Raises:
        NormscopeError: If less than one pixel is asked for, or too many.
    """
    check_length("--image-size", asked)
    height, width = size
    return height or asked or usual, width or asked or usual


def check_once(
    own: Affine | None, nodes: Sequence[str], given: Normalization, norm: str, source: Path
) -> None:
    """Refuse the normalization that a file does itself, in front of it.

    Args:
        own: What the file does to each channel; None for nothing.
        nodes: What in the file does it.
        given: What is to be folded.
        norm: How that was written.
        source: The file.

    Raises:
        NormscopeError: If both are the same.
    """
    twice = None if own is None else done_by(own, given)
    if twice is not None:
        pixels, first = twice
        raise NormscopeError(
            f"the graph already normalizes: {source} applies {given} itself to "
            f"pixels of {pixels} ({', '.join(nodes)}), so that --norm {norm} in front of it "
            f"would do it twice. Give what is applied before the file: --norm {first}."
        )


def done_by(own: Affine, given: Normalization) -> tuple[str, str] | None:
    """Whether what a network does to each channel is a normalization.

    Args:
        own: What it does to the image's channels, in their order.
        given: The normalization.

    Returns:
        Of which pixels, and the normalization of what is given to the network; None if it is not.
    """
    if not (own.factor > 0).all() or _identity(own):
        return None
    mean, std = -own.offset / own.factor, 1 / own.factor
    for scale, first, pixels in ((1, "none", "[0, 1]"), (255, str(BYTES), "0..255")):
        found = Normalization((mean / scale).tolist(), (std / scale).tolist())
        if same(found, given.for_channels(found.channels)):
            return pixels, first
    return None


def same(one: Normalization, other: Normalization) -> bool:
    """Whether two normalizations of equally many channels are one, but for digits."""
    mean, std, other_mean, other_std = map(np.array, (one.mean, one.std, other.mean, other.std))
    return bool(
        (np.abs(mean - other_mean) <= SAME * other_std).all()
        and (np.abs(std - other_std) <= SAME * other_std).all()
    )


def _identity(own: Affine) -> bool:
    return bool(np.allclose(own.factor, 1) and np.allclose(own.offset, 0))
