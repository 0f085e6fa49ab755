"""What is said of a pipeline that hands over bytes, which nothing under test normalizes.

Most networks stop with an error on bytes. Where one does, something behind the pipeline makes
floats of them, and as likely as not normalizes them, such as a step on the GPU. Where one takes
them, a forgotten step shows nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from normscope.normalization import Normalization


def answer_of_bytes(pipeline: str, model: str, *, taken: bool) -> str:
    """The verdict, in a sentence.

    Args:
        pipeline: What it is called.
        model: Likewise.
        taken: Whether the network takes bytes as they are.

    Returns:
        Whether something else is sure to follow, and what to do.
    """
    if taken:
        return (
            f"Yes: the pipeline {pipeline} hands over bytes, which {model} takes as they are; "
            "normalize them, or test it together with what does so later."
        )
    return (
        f"Not settled: the pipeline {pipeline} hands over bytes, which {model} does not take; test "
        "it together with what normalizes them later, as one function."
    )


def if_nothing_normalizes(expected: Normalization) -> str:
    """What to do where nothing follows.

    Args:
        expected: What the network expects.

    Returns:
        A sentence.
    """
    return (
        "If nothing normalizes them later, for example on the GPU, this is the price of handing "
        f"over 0 to 255: divide by 255 and normalize with {expected:.3g}."
    )
