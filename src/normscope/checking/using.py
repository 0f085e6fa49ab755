"""What a user does to images, from the option that says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from normscope.checking.in_use import NORM, OWN, InUse
from normscope.checking.sources import named
from normscope.errors import NormscopeError
from normscope.models.expected import is_of_stored, resolve_normalization, takes_blue_first
from normscope.models.preprocessing.claim import BGR, RGB
from normscope.models.preprocessing.folder import processor_claims
from normscope.normalization import Normalization

if TYPE_CHECKING:
    from normscope.auditing.pipeline import Pipeline
    from normscope.checking.depth import Depth
    from normscope.checking.images import Shown
    from normscope.checking.options import CheckOptions
    from normscope.models.claims import Claims

ROUNDING = 0.01
"""A divisor of 256 for 255, or of 4096 for 4095, is no mistake."""


def in_use(
    options: CheckOptions,
    stated: Claims,
    images: Shown,
    pipeline: Pipeline | None,
    channels: int,
    *,
    takes_bytes: bool = False,
) -> InUse | None:
    """What is under test.

    Args:
        options: Which say what it is.
        stated: What the model's own configuration states, which is under test where nothing is.
        images: Prepared; those that the pipeline under test has made are read off.
        pipeline: That pipeline.
        channels: How many the network takes.
        takes_bytes: Whether it takes uint8 as it is.

    Returns:
        What is done, or None where nothing says.

    Raises:
        NormscopeError: If it cannot be read.
    """
    if pipeline is not None:
        applied = images.applied
        said = "nothing that can be read off its tensors" if applied is None else str(applied)
        says = f"{pipeline.name} really applies {said}."
        if not images.of_bytes:
            return InUse(pipeline.name, applied, says=(says,))
        says += (
            " It gives bytes: if something normalizes them later, as on the GPU, give one "
            "function that does both as --pipeline."
        )
        return InUse(pipeline.name, applied, says=(says,), bytes_taken=takes_bytes)
    if options.processor is not None:
        found = _of_processor(options.processor, channels)
    elif options.norm is not None:
        given = resolve_normalization(options.norm, _of(images.pixels), options.model)
        text = given.__format__(".4g") if isinstance(options.norm, Normalization) else options.norm
        bgr = options.norm == "model" and takes_blue_first(options.model)
        found = InUse.stated(f"{NORM} {text}", given.for_channels(channels), BGR if bgr else RGB)
    else:
        claim = stated.outside
        if claim is None or claim.outside is None or claim.outside.channels not in {1, channels}:
            return None
        found = InUse.stated(OWN, claim.outside.for_channels(channels), claim.order or RGB)
    return _with_depth(found, images.depth, options.scale)


def _of_processor(folder: str | Path, channels: int) -> InUse:
    (claim, *_), faults = processor_claims(Path(folder))
    if claim.normalization is None:
        raise NormscopeError(
            f"--processor must say how pixels are normalized, got {folder}, which does not. "
            "Give --norm."
        )
    what = f"--processor {folder}"
    says = (f"{claim.source} makes it {named(claim.normalization)}.", *faults)
    return InUse.stated(what, claim.normalization.for_channels(channels), claim.order or RGB, says)


def _of(pixels: np.ndarray) -> Normalization:
    values = pixels.astype(np.float64) / 255
    std = np.maximum(values.std((0, 2, 3)), 1e-6)
    return Normalization(values.mean((0, 2, 3)).tolist(), std.tolist())


def _with_depth(found: InUse, depth: Depth, scale: float | None) -> InUse:
    applied = found.applied
    stored = applied is not None and is_of_stored(Normalization(applied.mean, applied.std))
    if scale is None and stored and depth.limit > 1:
        return replace(
            found,
            cause="the constants are of pixels as they are stored, and these are divided by "
            f"{depth.limit:.10g}",
            mend="divide the constants by that too, or say --scale 1 if you do not divide pixels",
        )
    if not depth.deep and scale is None:
        return found
    divisor = scale or depth.limit
    factor = depth.full / divisor
    if abs(factor - 1) < ROUNDING:
        return found
    white = f"{depth.full:.10g}"
    done = "that are not divided" if divisor == 1 else f"divided by {divisor:.10g}"
    unit = f" of pixels {done}"
    whole = "not divided" if depth.full == 1 else f"divided by {white}"
    moved = found.of_pixels_to(
        factor,
        unit,
        f"The constants in use are{unit}. Those in the lines below are of pixels {whole}, which "
        "makes white 1.",
    )
    if stored:  # they are of such pixels: dividing those would be another mistake
        return moved
    such = "" if depth.usual else "what is white in them, such as "
    divide = "do not divide them" if depth.full == 1 else f"divide them by {such}{white}"
    return replace(
        moved,
        cause=f"pixels of {depth.in_words} are {done}",
        mend=f"{divide} (--scale {white})",
    )
