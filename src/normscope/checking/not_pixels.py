"""Files that hold no pixels, but values below 0: normalized ones, or those of another unit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from normscope.checking.check_result import Check, Evidence
from normscope.checking.options import said
from normscope.checking.verdict import Verdict
from normscope.models.expected import resolve_normalization
from normscope.normalization import NONE

if TYPE_CHECKING:
    from normscope.checking.images import Depth
    from normscope.checking.options import CheckOptions
    from normscope.images.originals import Originals


def without_pixels(
    options: CheckOptions, name: str, originals: Originals, depth: Depth, seconds: float
) -> Check:
    """The answer where files hold no pixels, but what has been made of them.

    Args:
        options: Of the check.
        name: What the network is called.
        originals: The files.
        depth: Of their values.
        seconds: How long it took so far.

    Returns:
        A check without any network.
    """
    below = f"Pixels are {depth.in_words}; those of images are never below 0."
    if depth.normalized_already:
        answer = _normalized(
            options, f"the files hold {depth.in_words}, which are normalized already"
        )
    else:
        answer = Verdict(
            "cannot tell",
            f"Cannot tell: the files hold {depth.in_words}, such as a unit of their own (HU, "
            "heights) or values for no data, where a check needs pixels from 0 up. Give images as "
            "the network's pipeline scales them, or compare your constants with those of "
            f"normscope stats {originals.name}.",
        )
    lines = (Evidence("images", below),)
    return Check(
        name, originals.name, len(originals.images), answer, None, None, lines, (), said(options),
        seconds,
    )  # fmt: skip


def _normalized(options: CheckOptions, found: str) -> Verdict:
    nothing = (
        options.norm is not None
        and options.norm != "data"
        and (resolve_normalization(options.norm, NONE, options.model) == NONE)
    )
    if nothing or (options.norm is None and options.processor is None):
        return Verdict(
            "cannot tell",
            f"Cannot tell: {found}, and the pixels before are missing. Give the original images.",
        )
    return Verdict("wrong", f"Wrong: {found}; use none (0/1).", found, "none")
