"""What the metadata of a file says: ``metadata_props`` of ONNX, ``__metadata__`` of safetensors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from normscope.errors import NormscopeError
from normscope.models.preprocessing.claim import BGR, RGB, Claim
from normscope.models.preprocessing.faults import OF_BYTES, constant_faults
from normscope.models.preprocessing.processor import numbers, processor_claim
from normscope.models.preprocessing.steps import Steps
from normscope.models.preprocessing.timm_config import timm_claim
from normscope.normalization import HALF, NONE, Normalization

if TYPE_CHECKING:
    from collections.abc import Mapping

MEANS = ("mean", "image_mean", "norm_mean", "input_mean", "pixel_mean", "means")
STDS = ("std", "image_std", "norm_std", "input_std", "pixel_std", "stds", "stdev")
"""Keys that people write; nothing prescribes one."""

RANGES = {
    "NominalRange_0_255": Steps(factor=1.0).normalization(),
    "Normalized_0_1": NONE,
    "Normalized_1_1": HALF,
}
"""ONNX's ``Image.NominalPixelRange``.

https://github.com/onnx/onnx/blob/main/docs/MetadataProps.md
"""


def metadata_claims(metadata: Mapping[str, str], name: str) -> tuple[list[Claim], list[str]]:
    """What a file's metadata say of preprocessing.

    Args:
        metadata: Text by key.
        name: What sentences call the file.

    Returns:
        Claims, and what is wrong in them.
    """
    source = f"{name}, metadata"
    claims: list[Claim] = []
    faults: list[str] = []
    values = {key.lower().rpartition(".")[2]: _value(text) for key, text in metadata.items()}
    for value in values.values():
        if isinstance(value, dict):
            nested = value.get("pretrained_cfg", value)
            if isinstance(nested, dict) and {"image_mean", "do_rescale"} & nested.keys():
                claims.append(processor_claim(nested, source))
            elif isinstance(nested, dict) and {"mean", "std"} <= nested.keys():
                claims.append(timm_claim(nested, source))
    mean, std = (next((values[k] for k in keys if k in values), None) for keys in (MEANS, STDS))
    faults += constant_faults(mean, std, None, source)
    normalization = _normalization(mean, std)
    order = _order(metadata.get("Image.BitmapPixelFormat", ""))
    prescribed = RANGES.get(metadata.get("Image.NominalPixelRange", ""))
    if normalization or prescribed or order:
        claims.append(Claim(source, normalization or prescribed, order))
    return claims, faults


def _normalization(mean: Any, std: Any) -> Normalization | None:
    try:
        means, stds = numbers(mean), numbers(std)
        of_bytes = max(map(abs, [*means, *stds])) > OF_BYTES
        return Steps(1.0 if of_bytes else 1 / 255, 0.0, means, stds).normalization()
    except (NormscopeError, TypeError, ValueError):
        return None


def _order(pixel_format: str) -> str | None:
    order = pixel_format[:3].lower()
    return order if order in {RGB, BGR} else None


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:  # 0.485,0.456,0.406 or (0.485 0.456 0.406)
        return [float(part) for part in text.strip("()[] ").replace(",", " ").split()]
    except ValueError:
        return text
