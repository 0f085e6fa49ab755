"""How often a normalization told by answers alone is right, as numbers and as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from normscope.detection import answer_views
from normscope.detection.candidates import candidates
from normscope.detection.detection_result import CLAIMED
from normscope.normalization import Normalization

if TYPE_CHECKING:
    from collections.abc import Iterator

    from normscope.detection.answer_model import AnswerModel, Example

BINS = 5


def judged(result: dict, shown: Example, images: str, model: AnswerModel) -> dict:
    """What weights make of a network.

    Args:
        result: Of the network.
        shown: The network as the model sees it.
        images: ``even`` or ``skewed``.
        model: The weights.

    Returns:
        The likeliest candidate, its probability, whether it is right and whether it is near.
    """
    chances = model.confidences(shown.signs, shown.log_prior)
    first = int(chances[:-1].argmax())
    name = result["signs"][images]["names"][first]
    return (
        {k: result[k] for k in ("seed", "source", "kind", "name", "accuracy")}
        | {"mean": result["mean"], "std": result["std"], "first": name}
        | {"confidence": float(chances[first]), "none": float(chances[-1])}
        | {"right": name == result["name"], "near": near(result, name)}
    )


def near(result: dict, name: str) -> bool:
    """Whether a network's constants are so near a candidate's that answers hardly tell them apart.

    Args:
        result: Of the network.
        name: The candidate's.

    Returns:
        Whether it is so in every channel, in the same order of channels.
    """
    candidate = next(c for c in candidates(len(result["mean"])) if c.name == name)
    own = Normalization(result["mean"], result["std"])
    return candidate.order == result["order"] and answer_views.near(own, candidate.normalization)


def figures(answers: list[dict]) -> dict:
    """What is claimed of some networks.

    Args:
        answers: From ``judged``.

    Returns:
        Counts, and the expected calibration error of the first candidate's confidence.
    """
    named = [a for a in answers if a["name"]]
    claims = [a for a in answers if a["confidence"] > CLAIMED]
    confidence = np.array([a["confidence"] for a in answers])
    right = np.array([a["right"] for a in answers])
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    error = sum(
        abs(confidence[bins == b].mean() - right[bins == b].mean()) * (bins == b).mean()
        for b in range(BINS)
        if (bins == b).any()
    )
    return {
        "networks": len(answers), "named": len(named),
        "right_first": sum(a["right"] for a in named),
        "claims": len(claims), "right_claims": sum(a["right"] for a in claims),
        "near_claims": sum(a["right"] or a["near"] for a in claims),
        "calibration_error": float(error),
    }  # fmt: skip


def table(judgements: dict[tuple[bool, str], list[dict]]) -> Iterator[str]:
    """The acceptance table, line by line.

    Args:
        judgements: Answers by whether layers were watched and which images were shown.

    Yields:
        A heading, and a line for all networks and for each kind.
    """
    line = "{:6}  {:6}  {:8}  {:>8}  {:>11}  {:>12}  {:>13}  {:>11}"
    yield line.format(
        "layers", "images", "kind", "networks", "right first", "claims right", "right or near",
        "calibration",
    )  # fmt: skip
    for (layers, images), answers in judgements.items():
        for kind in ("all", *sorted({a["kind"] for a in answers})):
            found = figures([a for a in answers if kind in {"all", a["kind"]}])
            yield line.format(
                "yes" if layers else "no", images, kind, found["networks"],
                f"{found['right_first']}/{found['named']}",
                f"{found['right_claims']}/{found['claims']}",
                f"{found['near_claims']}/{found['claims']}",
                f"{found['calibration_error']:.3f}",
            )  # fmt: skip


def told(judgements: dict[tuple[bool, str], list[dict]]) -> str:
    """The same in sentences.

    Args:
        judgements: As for ``table``.

    Returns:
        A line for each.
    """
    lines = []
    for (layers, images), answers in judgements.items():
        found = figures(answers)
        lines.append(
            f"{'With layers' if layers else 'Without layers'}, {images} classes: first in "
            f"{found['right_first']} of {found['named']}; {found['right_claims']} of "
            f"{found['claims']} claims right; calibration error {found['calibration_error']:.3f}."
        )
    return "\n".join(lines)
