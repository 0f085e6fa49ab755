"""Does the folded model agree with the image processor of the model's own library?

A fold that is compared with its own constants cannot tell that these are not what the library
does; its processor can.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from normscope.deploy.comparing import as_taken
from normscope.errors import WorkFailed
from normscope.models.building import find_library, published

if TYPE_CHECKING:
    from torch import Tensor, nn

    from normscope.deploy.folding import Folded

COLOUR = 3
"""Channels of the images that processors are made for."""

AGREES = 1e-3
"""The largest difference in float32, in units of the outputs' own spread."""


def check_with_processor(name: str, model: nn.Module, folded: Folded, images: Tensor) -> str | None:
    """Compare with the library's processor and network, from bytes to outputs.

    Images have the model's own size, and the processor is told not to resize or crop them.

    Args:
        name: The model, as ``build_model`` takes it.
        model: The original; float32.
        folded: Its fold.
        images: uint8, shape ``(N, C, H, W)``, red first.

    Returns:
        A sentence on how well both agree; None where the library has no processor for such images.

    Raises:
        WorkFailed: If they do not agree.
    """
    if images.shape[1] != COLOUR:
        return None
    processed = _processed(name, images)
    if processed is None:
        return None
    said = published(name)
    blue_first = bool(said and said.blue_first)
    raw = images.flip(1) if blue_first else images
    with torch.no_grad():
        expected = model(processed).double()
        found = folded.model(as_taken(folded, raw, torch.float32)).double()
    difference, spread = float((found - expected).abs().max()), float(expected.std())
    if not difference <= AGREES * max(1.0, spread):
        raise WorkFailed(
            f"the folded model must agree with {name} behind its own image processor, got a "
            f"difference of {difference:.3g} where outputs have a std of {spread:.3g}. Nothing was "
            "written; give the normalization that the weights expect with --norm MEAN/STD."
        )
    order = ", blue first" if blue_first else ""
    return (
        f"Compared with the library's own image processor{order}, the largest difference is "
        f"{difference:.2g}."
    )


def _processed(name: str, images: Tensor) -> Tensor | None:
    from normscope.models.libraries.from_hugging_face import HuggingFaceModel

    library = find_library(name)
    return library.processed(images) if isinstance(library, HuggingFaceModel) else None
