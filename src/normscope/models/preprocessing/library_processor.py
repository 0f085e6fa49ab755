"""The image processor of transformers itself, opened and run, where the library is installed."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from normscope.errors import NormscopeError
from normscope.models.preprocessing.processor import processor_claim
from normscope.models.preprocessing.steps import BYTE
from normscope.normalization import Normalization

if TYPE_CHECKING:
    from normscope.models.preprocessing.claim import Claim

SIDE = 32
"""Of the images of one colour that a processor is shown; it brings them to its own size."""

AGREES = 1e-4
"""The largest difference in a normalized value, which a processor computes in float32."""

DIGITS = 6

COLOURS = np.array(
    [[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [51, 102, 204]]
)
"""Black, one for each channel, and two that tell whether the processor is an affine map."""


def open_processor(name: str) -> Any | None:
    """The processor that transformers has for a folder or repository.

    No code of a repository is run.

    Args:
        name: A folder, a processor's JSON file, or a repository.

    Returns:
        The processor; None where there is none, transformers cannot make it, or is not installed.
    """
    try:
        from transformers import AutoImageProcessor

        return AutoImageProcessor.from_pretrained(name, trust_remote_code=False)
    except Exception:  # noqa: BLE001 - a stranger's configuration, read by a stranger's classes
        return None


def settings_of(processor: Any) -> dict[str, Any]:
    """A processor's settings with the defaults of its class.

    Returns:
        As ``processor_claim`` takes them.
    """
    settings = {n: _plain(v) for n, v in vars(processor).items() if not n.startswith("_")}
    return settings | {"image_processor_type": type(processor).__name__}


def run_processor(processor: Any, images: np.ndarray) -> np.ndarray:
    """What a processor hands to the network.

    Args:
        processor: Of transformers.
        images: uint8, shape ``(N, H, W, 3)``.

    Returns:
        Floating point, shape ``(N, 3, H, W)``.
    """
    from PIL import Image

    pictures = [Image.fromarray(image) for image in images]
    pixels = processor(images=pictures, return_tensors="pt")["pixel_values"]
    return np.asarray(pixels, np.float64)


def measured(processor: Any) -> tuple[Normalization, str] | None:
    """What a processor does to colours, found by showing it some.

    Args:
        processor: Of transformers.

    Returns:
        Its normalization, in the order of red, green, blue, and the order of channels that comes
        out; None where it is no normalization.

    Raises:
        NormscopeError: If its values are no normalization, as with a std below 0.
    """
    shown = np.broadcast_to(COLOURS[:, None, None, :], (len(COLOURS), SIDE, SIDE, 3))
    try:
        out = run_processor(processor, np.ascontiguousarray(shown, np.uint8))
    except Exception:  # noqa: BLE001 - whatever a stranger's processor raises means no
        return None
    if out.ndim != 4 or out.shape[1] != 3 or not np.isfinite(out).all():
        return None
    answers = out[:, :, out.shape[2] // 2, out.shape[3] // 2]
    flipped = _slope(answers[:, ::-1]) is not None
    order = "bgr" if flipped else "rgb"
    answers = answers[:, ::-1] if flipped else answers
    slope = _slope(answers)
    if slope is None or (slope == 0).any():
        return None
    return Normalization((-answers[0] / slope).tolist(), (1 / slope).tolist()), order


def run_claim(claim: Claim, processor: Any) -> Claim:
    """A claim as its library carries it out.

    Args:
        claim: What a processor's settings say.
        processor: That processor.

    Returns:
        The same claim, with its exact numbers where running the processor agrees with them, else
        with what it was seen to do; without a normalization where it does something else.
    """
    try:
        seen = measured(processor)
    except NormscopeError:
        seen = None
    if seen is None:
        return replace(claim, normalization=None)
    normalization, order = seen
    said = claim.normalization
    if said is not None and said.channels in {1, 3} and order == claim.order:
        difference = np.abs(_ends(said) - _ends(normalization)).max()
        if difference <= AGREES * max(1.0, np.abs(_ends(normalization)).max()):
            return claim
    rounded = (
        [float(f"{v:.{DIGITS}g}") for v in values]
        for values in (normalization.mean, normalization.std)
    )
    return replace(claim, normalization=Normalization(*rounded), order=order)


def library_claim(name: str, source: str) -> Claim | None:
    """What the processor of a folder or repository does.

    Args:
        name: As ``open_processor`` takes it.
        source: What the claim names as its source.

    Returns:
        The claim, or None where transformers has no processor for it.
    """
    processor = open_processor(name)
    if processor is None:
        return None
    return run_claim(processor_claim(settings_of(processor), source), processor)


def _slope(answers: np.ndarray) -> np.ndarray | None:
    # Per unit of a pixel in [0, 1], where each channel answers to its own colour alone.
    slope = np.diagonal(answers[1:4] - answers[0])
    expected = answers[0] + COLOURS / BYTE * slope
    close = np.abs(expected - answers).max() <= AGREES * max(1.0, np.abs(answers).max())
    return slope if close else None


def _ends(normalization: Normalization) -> np.ndarray:
    each = normalization.for_channels(3)
    return (np.array([[0.0], [1.0]]) - each.mean) / each.std


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        # Their sizes, which name every way to say one.
        value = dataclasses.asdict(value)
    if isinstance(value, dict):
        return {name: size for name, size in value.items() if size is not None}
    return value.value if hasattr(value, "value") and hasattr(value, "name") else value
