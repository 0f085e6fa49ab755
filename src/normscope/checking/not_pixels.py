"""Files that hold values which are normalized already."""

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


def already_normalized(
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
    found = f"the files hold {depth.in_words}, which are normalized already"
    nothing = (
        options.norm is not None
        and options.norm != "data"
        and (resolve_normalization(options.norm, NONE, options.model) == NONE)
    )
    if nothing or (options.norm is None and options.processor is None):
        answer = Verdict(
            "cannot tell",
            f"Cannot tell: {found}, and the pixels before are missing. Give the original images.",
        )
    else:
        answer = Verdict("wrong", f"Wrong: {found}; use none (0/1).", found, "none")
    lines = (
        Evidence("images", f"Pixels are {depth.in_words}; those of images are never below 0."),
    )
    return Check(
        name, originals.name, len(originals.images), answer, None, None, lines, (), said(options),
        seconds,
    )  # fmt: skip
