"""What the configuration of a transformers image processor does to bytes.

Its keys are those of ``preprocessor_config.json``
(https://huggingface.co/docs/transformers/main_classes/image_processor).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from normscope.errors import NormscopeError
from normscope.models.preprocessing.claim import BGR, RGB, Claim
from normscope.models.preprocessing.steps import BYTE, Steps

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULTS: dict[str, Any] = {
    "do_resize": True, "do_rescale": True, "rescale_factor": 1 / BYTE, "do_normalize": True,
}  # fmt: skip
"""Of nearly all classes; those of a class itself are taken where transformers is installed."""

SQUASHED_FROM = 384
"""ConvNeXt's processor resizes and crops below this side, and squashes from it on."""

CONVNEXT_CROP = 224 / 256
"""What it leaves of an image where its configuration does not say."""

LEVIT_MARGIN = 256 / 224
"""LeViT's processor resizes the shorter side to this times its size."""

INTERPOLATIONS = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}
"""Pillow's numbers."""


@dataclass(frozen=True)
class Geometry:
    """How images are brought to the model's size; see ``Claim``."""

    resize: int | None = None
    crop: int | None = None
    squashed: bool = False


def processor_claim(settings: Mapping[str, Any], source: str) -> Claim:
    """What a processor's configuration says.

    Args:
        settings: Its keys and values; what is missing has its usual default.
        source: What the claim names as its source.

    Returns:
        The claim, without a normalization where its values give none.
    """
    settings = with_defaults(settings)
    try:
        geometry = _geometry(settings)
    except (TypeError, ValueError, ArithmeticError):
        geometry = Geometry()
    resample = settings.get("resample")
    try:
        normalization = steps(settings).normalization()
    except NormscopeError:
        normalization = None
    return Claim(
        source,
        normalization,
        order_of(settings),
        resize=geometry.resize,
        crop=geometry.crop,
        squashed=geometry.squashed,
        interpolation=INTERPOLATIONS.get(resample) if isinstance(resample, int) else None,
    )


def with_defaults(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A processor's settings with the usual value of what is missing."""
    given = {name: value for name, value in settings.items() if value is not None}
    flips = {"do_flip_channel_order": True} if kind(settings) == "MobileViT" else {}
    return DEFAULTS | flips | given


def kind(settings: Mapping[str, Any]) -> str:
    """The family of a processor's class, such as ``"ViT"`` of ``ViTImageProcessorFast``."""
    named = settings.get("image_processor_type") or settings.get("feature_extractor_type") or ""
    for ending in ("Fast", "Pil"):
        named = str(named).removesuffix(ending)
    return named.removesuffix("ImageProcessor").removesuffix("FeatureExtractor")


def order_of(settings: Mapping[str, Any]) -> str:
    """The order of channels that comes out of a processor given red, green, blue."""
    return BGR if settings.get("do_flip_channel_order") else RGB


def steps(settings: Mapping[str, Any]) -> Steps:
    """What a processor does to bytes.

    Args:
        settings: With defaults.

    Returns:
        Its steps.

    Raises:
        NormscopeError: If its values are no numbers.
    """
    given = dict(settings)
    if kind(given) == "MobileViT":  # which has constants and does not use them
        given["do_normalize"] = False
    again = given.get("include_top") and given.get("image_std")
    rescales = bool(given["do_rescale"])
    normalizes = bool(given["do_normalize"]) and given.get("image_mean") is not None
    try:
        return Steps(
            numbers(given["rescale_factor"])[0] if rescales else 1.0,
            -1.0 if rescales and given.get("rescale_offset") else 0.0,
            numbers(given["image_mean"]) if normalizes else 0.0,
            numbers(given["image_std"]) if normalizes else 1.0,
            numbers(again) if again else 1.0,
        )
    except (TypeError, ValueError, KeyError, IndexError) as error:
        raise NormscopeError(
            "a processor's image_mean, image_std and rescale_factor must be numbers, got "
            f"{type(error).__name__}: {error}. Mend its configuration."
        ) from None


def numbers(value: Any) -> list[float]:
    """One number, or one per channel, as a list.

    Args:
        value: From JSON.

    Returns:
        Its numbers.

    Raises:
        ValueError: If one is none, or too large to be one.
    """
    try:
        return [float(v) for v in (value if isinstance(value, list | tuple) else [value])]
    except OverflowError as error:
        raise ValueError(str(error)) from None


def _geometry(settings: Mapping[str, Any]) -> Geometry:
    size, crop = _side(settings.get("size")), _side(settings.get("crop_size"))
    if not settings.get("do_resize"):
        size = None
    if not settings.get("do_center_crop"):
        crop = None
    if size is None:
        return Geometry(None, crop)
    given = settings["size"]
    shorter = isinstance(given, dict) and "shortest_edge" in given
    if kind(settings) == "ConvNext":
        if size >= SQUASHED_FROM:
            return Geometry(size, size, squashed=True)
        return Geometry(int(size / (settings.get("crop_pct") or CONVNEXT_CROP)), size)
    if kind(settings) == "PoolFormer" and settings.get("crop_pct"):
        return Geometry(int(size / settings["crop_pct"]), crop)
    if kind(settings) == "Levit" and shorter:
        return Geometry(int(size * LEVIT_MARGIN), crop)
    # A number alone is a square, but for CLIP's old files, where it is the shorter side.
    squashed = not shorter and not (isinstance(given, int) and kind(settings) == "CLIP")
    return Geometry(size, crop or (size if squashed else None), squashed=squashed)


def _side(given: Any) -> int | None:
    if isinstance(given, dict):
        given = given.get("shortest_edge") or given.get("height")
    if isinstance(given, list | tuple) and given:
        given = given[0]
    return int(given) if isinstance(given, int | float) and given > 0 else None
