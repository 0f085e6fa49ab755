"""Files that hold no pixels, but normalized values, or those of a unit of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from normscope.checking.check_result import Check, Evidence
from normscope.checking.options import said
from normscope.checking.verdict import Verdict
from normscope.images.scale import OWN_UNIT
from normscope.models.expected import resolve_normalization
from normscope.normalization import NONE

if TYPE_CHECKING:
    from normscope.checking.depth import Depth
    from normscope.checking.options import CheckOptions
    from normscope.images.originals import Originals

ALIKE = 1.5
"""Constants are those of values whose std is within this factor of theirs."""


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
    says = f"Pixels are {depth.in_words}; those of images are never below 0."
    if depth.unknown:
        says = f"Pixels are {depth.in_words}; nothing tells which value is white."
        answer = Verdict.cannot_tell(
            f"the files hold {depth.in_words}, a unit of their own, and nothing says what you "
            "divide them by to bring them to [0, 1]. Give --scale"
        )
    elif depth.normalized_already:
        answer = _normalized(options, depth)
    else:
        answer = Verdict.cannot_tell(
            f"the files hold {depth.in_words}, such as {OWN_UNIT}, where a check needs pixels from "
            "0 up. Give images as the network's pipeline scales them, or compare your constants "
            f"with those of normscope stats {originals.name}"
        )
    lines = (Evidence("images", says),)
    return Check(
        name, originals.name, len(originals.images), answer, None, None, lines, (), said(options),
        seconds,
    )  # fmt: skip


def _normalized(options: CheckOptions, depth: Depth) -> Verdict:
    like = f"mean {depth.mean:.2g}, std {depth.std:.2g}"
    found = f"the files hold {depth.in_words} ({like}), which look normalized already"
    if options.processor is None and not _again(options, depth):
        return Verdict.cannot_tell(
            f"{found}, and the pixels before are missing. Give the original images"
        )
    use = "use none (0/1) if they were made for this network, or the original images"
    return Verdict("wrong", f"Wrong: {found}; {use}.", found, "none")


def _again(options: CheckOptions, depth: Depth) -> bool:
    """Whether constants are given that are not those of the files' own values."""
    if options.norm is None or options.norm == "data":
        return False
    given = resolve_normalization(options.norm, NONE, options.model)
    mean, std = (sum(values) / given.channels for values in (given.mean, given.std))
    own = abs(mean - depth.mean) < depth.std / 2 and 1 / ALIKE < std / depth.std < ALIKE
    return given != NONE and not own
