"""How often a normalization told by answers alone is right, as numbers and as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from normscope.detection.answer_evidence import Answered, AnswerEvidence
from normscope.detection.answer_views import near
from normscope.detection.candidates import candidates
from normscope.detection.detection_result import CANNOT_TELL
from normscope.normalization import Normalization

if TYPE_CHECKING:
    from collections.abc import Iterator

    from normscope.detection.answer_model import AnswerModel, Example
    from normscope.detection.candidates import Candidate

BINS = 5


def judged(result: dict, shown: Example, images: str, model: AnswerModel) -> dict:
    """What weights make of a network.

    Args:
        result: Of the network.
        shown: The network as the model sees it.
        images: ``even`` or ``skewed``.
        model: The weights.

    Returns:
        The likeliest candidate, its probability and whether it is right; what the sentence says,
        which claims this one or one so near that answers do not tell them apart, how sure it is,
        and whether it is true.
    """
    chances = model.confidences(shown.signs, shown.log_prior)
    by_name = {c.name: c for c in candidates(len(result["mean"]))}
    names = result["signs"][images]["names"]
    answered = (Answered(by_name[n], float(c), {}) for n, c in zip(names, chances, strict=False))
    likeliest = tuple(sorted(answered, key=lambda each: -each.confidence))
    found = AnswerEvidence(likeliest, float(chances[-1]), 0, layers=False)
    name, confidence = likeliest[0].candidate.name, likeliest[0].confidence
    right, claimed = name == result["name"], found.verdict != CANNOT_TELL
    alike = right or is_near(result, likeliest[0].candidate)
    return (
        {k: result[k] for k in ("seed", "source", "kind", "name", "accuracy")}
        | {"mean": result["mean"], "std": result["std"], "first": name}
        | {"confidence": confidence, "none": found.none_of_them, "claimed": claimed}
        | {"right": right, "said": found.confidence if claimed else confidence}
        | {"true": alike if claimed else right}
    )


def is_near(result: dict, candidate: Candidate) -> bool:
    """Whether answers hardly tell a candidate's constants from a network's own.

    Args:
        result: Of the network, whose constants may have no name.
        candidate: Any.

    Returns:
        Whether it is so in every channel, in the same order of channels.
    """
    own = Normalization(result["mean"], result["std"])
    return candidate.order == result["order"] and near(own, candidate.normalization)


def figures(answers: list[dict]) -> dict:
    """What is claimed of some networks.

    Args:
        answers: From ``judged``.

    Returns:
        Counts, and the expected calibration errors of what is said and of the first candidate.
    """
    named = [a for a in answers if a["name"]]
    claims = [a for a in answers if a["claimed"]]
    return {
        "networks": len(answers), "named": len(named),
        "right_first": sum(a["right"] for a in named),
        "claims": len(claims), "true_claims": sum(a["true"] for a in claims),
        "right_claims": sum(a["right"] for a in claims),
        "calibration_error": _calibration_error(answers, "said", "true"),
        "calibration_error_of_first": _calibration_error(answers, "confidence", "right"),
    }  # fmt: skip


def _calibration_error(answers: list[dict], said: str, true: str) -> float:
    confidence = np.array([a[said] for a in answers])
    right = np.array([a[true] for a in answers])
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return float(
        sum(
            abs(confidence[bins == b].mean() - right[bins == b].mean()) * (bins == b).mean()
            for b in range(BINS)
            if (bins == b).any()
        )
    )


def table(judgements: dict[tuple[bool, str], list[dict]]) -> Iterator[str]:
    """The acceptance table, line by line.

    Args:
        judgements: Answers by whether layers were watched and which images were shown.

    Yields:
        A heading, and a line for all networks and for each kind.
    """
    line = "{:6}  {:6}  {:8}  {:>8}  {:>11}  {:>11}  {:>11}  {:>14}  {:>11}"
    yield line.format(
        "layers", "images", "kind", "networks", "right first", "claims true", "calibration",
        "the name right", "calibration",
    )  # fmt: skip
    for (layers, images), answers in judgements.items():
        for kind in ("all", *sorted({a["kind"] for a in answers})):
            found = figures([a for a in answers if kind in {"all", a["kind"]}])
            yield line.format(
                "yes" if layers else "no", images, kind, found["networks"],
                f"{found['right_first']}/{found['named']}",
                f"{found['true_claims']}/{found['claims']}",
                f"{found['calibration_error']:.3f}",
                f"{found['right_claims']}/{found['claims']}",
                f"{found['calibration_error_of_first']:.3f}",
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
            f"{found['right_first']} of {found['named']}; {found['true_claims']} of "
            f"{found['claims']} claims true; calibration error {found['calibration_error']:.3f}."
        )
    return "\n".join(lines)
