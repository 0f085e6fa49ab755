"""The image processor of transformers itself, opened and run, where the library is installed."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np

from normscope.errors import NormscopeError
from normscope.models.libraries.hub import only_local
from normscope.models.preprocessing.between import same
from normscope.models.preprocessing.colours import colours, fitted, rounded

if TYPE_CHECKING:
    from normscope.models.preprocessing.claim import Claim
    from normscope.normalization import Normalization

CHANNELS = 3
SIDE = 32
"""Of the images of one colour that a processor is shown; it brings them to its own size."""

EXACT = 1e-4
"""The largest difference of a normalized value, in units of their range, of float32."""


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

        return AutoImageProcessor.from_pretrained(
            name, trust_remote_code=False, local_files_only=only_local(name)
        )
    except Exception:  # noqa: BLE001 - a stranger's configuration, read by a stranger's classes
        return None


def settings_of(processor: Any) -> dict[str, Any]:
    """A processor's settings with the defaults of its class.

    Returns:
        As ``processor_claim`` takes them.
    """
    settings = {n: _plain(v) for n, v in vars(processor).items() if not n.startswith("_")}
    return settings | {"image_processor_type": type(processor).__name__}


def run_processor(processor: Any, images: np.ndarray, **choices: bool) -> np.ndarray:
    """What a processor hands to the network.

    Args:
        processor: Of transformers.
        images: uint8, shape ``(N, H, W, 3)``.
        choices: Settings that are other for this call, such as ``do_resize=False``.

    Returns:
        Floating point, shape ``(N, 3, H, W)``.
    """
    from PIL import Image

    pictures = [Image.fromarray(image) for image in images]
    pixels = processor(images=pictures, return_tensors="pt", **choices)["pixel_values"]
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
    shown = np.tile(colours(CHANNELS)[:, None, None, :], (1, SIDE, SIDE, 1))
    try:
        out = run_processor(processor, shown.astype(np.uint8))
    except Exception:  # noqa: BLE001 - whatever a stranger's processor raises means no
        return None
    if out.ndim != 4 or out.shape[1] != CHANNELS:
        return None
    return fitted(out[:, :, out.shape[2] // 2, out.shape[3] // 2])


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
    if order == claim.order and same(claim.normalization, normalization, EXACT):
        return claim
    return replace(claim, normalization=rounded(normalization), order=order)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        # Their sizes, which name every way to say one.
        value = dataclasses.asdict(value)
    if isinstance(value, dict):
        return {name: size for name, size in value.items() if size is not None}
    return value.value if isinstance(value, Enum) else value
