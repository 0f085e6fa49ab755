"""Without any BatchNorm: under which normalization a network is surest of its answers.

That is a hint and no evidence: a network can be sure of itself and wrong, and is surest where the
contrast is highest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from normscope.detection.candidates import BGR, candidates
from normscope.detection.patches import as_unit_range
from normscope.errors import NormscopeError
from normscope.images.tensors import normalized

if TYPE_CHECKING:
    from torch import Tensor, nn

    from normscope.detection.candidates import Candidate

MOST_IMAGES = 128
AT_ONCE = 32


@dataclass(frozen=True)
class Hint:
    """How sure a network is of itself under one normalization.

    Attributes:
        candidate: The normalization in one order of channels.
        top_probability: Mean over images of the largest softmax probability.
    """

    candidate: Candidate
    top_probability: float


@dataclass(frozen=True)
class HintOnly:
    """All that can be said of a network without BatchNorm.

    Attributes:
        model: Its name.
        images: How many images were used.
        hints: The surest first.
    """

    model: str
    images: int
    hints: tuple[Hint, ...]

    verdict = "cannot tell"

    @property
    def sentence(self) -> str:
        """The answer in a sentence."""
        return (
            f"Cannot be told: {self.model} has no BatchNorm to read its normalization from; with "
            "labels, compare normalizations by normscope scan --recipe frozen. How sure it is of "
            "its answers ranks nothing: networks are surest where contrast is highest, right or "
            "wrong."
        )

    def to_json(self) -> dict[str, Any]:
        """What ``--json`` holds."""
        return {
            "model": self.model,
            "verdict": self.verdict,
            "sentence": self.sentence,
            "candidates": [],
            "fitted": None,
            "images": self.images,
            "hints": [
                {
                    "name": hint.candidate.name,
                    "normalization": hint.candidate.normalization.to_json(),
                    "order": hint.candidate.order,
                    "top_probability": hint.top_probability,
                }
                for hint in self.hints
            ],
        }


def hint_by_confidence(model: nn.Module, name: str, images: Tensor) -> HintOnly:
    """Rank the known normalizations by how sure a classifier is of its answers.

    Args:
        model: In evaluation mode; gives logits of shape ``(N, outputs)``.
        name: What it is called.
        images: uint8 or in [0, 1], shape ``(N, C, H, W)``.

    Returns:
        The hint.

    Raises:
        NormscopeError: If the network does not give two logits or more.
    """
    parameter = next(model.parameters())
    pixels = as_unit_range(images[:MOST_IMAGES]).to(parameter)
    hints = []
    for candidate in candidates(images.shape[1]):
        shown = normalized(pixels, candidate.normalization)
        shown = shown.flip(1) if candidate.order == BGR else shown
        with torch.no_grad():
            logits = torch.cat([model(part) for part in shown.split(AT_ONCE)])
        if logits.ndim != 2 or logits.shape[1] < 2:
            raise NormscopeError(
                "--hint must be used with a classifier that gives two logits or more for each "
                f"image, got outputs of shape {tuple(logits.shape)}. Leave it out."
            )
        top = logits.cpu().double().softmax(1).max(1).values.mean().item()
        hints.append(Hint(candidate, top))
    hints.sort(key=lambda hint: -hint.top_probability)
    return HintOnly(name, len(pixels), tuple(hints))
