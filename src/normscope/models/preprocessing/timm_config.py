"""What timm's configuration of a model says: by name, in ``config.json``, or on the hub."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from normscope.errors import NormscopeError
from normscope.models.preprocessing.claim import RGB, Claim
from normscope.models.preprocessing.faults import constant_faults
from normscope.models.preprocessing.processor import numbers
from normscope.normalization import IMAGENET, Normalization

if TYPE_CHECKING:
    from collections.abc import Mapping

CROP_SHARE = 0.875
"""timm's ``DEFAULT_CROP_PCT``."""


def is_timm_config(config: Mapping[str, Any]) -> bool:
    """Whether the content of a ``config.json`` is timm's.

    Args:
        config: The whole file.

    Returns:
        True for today's form (with ``pretrained_cfg``) and for the old one, which is flat.
    """
    return "pretrained_cfg" in config or ("architecture" in config and "model_type" not in config)


def timm_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """The ``pretrained_cfg`` of a ``config.json`` of timm, with its label names beside it.

    Args:
        config: The whole file, in either form.

    Returns:
        Keys such as ``mean``, ``std``, ``input_size``, ``crop_pct``, and ``label_names``.
    """
    nested = config.get("pretrained_cfg")
    settings = dict(nested if isinstance(nested, dict) else config)
    names = config.get("label_names") or settings.get("label_names") or settings.get("labels")
    return settings | {"label_names": names}


def timm_claim(settings: Mapping[str, Any], source: str) -> Claim:
    """What a ``pretrained_cfg`` says, with timm's defaults for what it leaves out.

    Args:
        settings: Its keys and values.
        source: What the claim names as its source.

    Returns:
        The claim, without a normalization where its values give none.
    """
    try:
        normalization = Normalization(
            numbers(settings.get("mean") or IMAGENET.mean),
            numbers(settings.get("std") or IMAGENET.std),
        )
    except (NormscopeError, TypeError, ValueError):
        normalization = None
    resize, crop = _resize_crop(settings)
    interpolation = settings.get("interpolation")
    return Claim(
        source,
        normalization,
        RGB,
        resize=resize,
        crop=crop,
        squashed=settings.get("crop_mode") == "squash",
        interpolation=interpolation if isinstance(interpolation, str) else None,
    )


def _resize_crop(settings: Mapping[str, Any]) -> tuple[int | None, int | None]:
    # As timm's own transform rounds it.
    try:
        side = int(settings["input_size"][-1])
        return math.floor(side / float(settings.get("crop_pct") or CROP_SHARE)), side
    except (KeyError, IndexError, TypeError, ValueError, ArithmeticError):
        return None, None


def timm_faults(settings: Mapping[str, Any], source: str) -> tuple[str, ...]:
    """What contradicts itself in a ``pretrained_cfg``, a sentence each."""
    size = settings.get("input_size")
    first = size[0] if isinstance(size, list | tuple) and size else None
    channels = first if isinstance(first, int) else None
    return tuple(constant_faults(settings.get("mean"), settings.get("std"), channels, source))


def timm_classes(settings: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The names of the outputs where a ``pretrained_cfg`` lists them."""
    names = settings.get("label_names")
    return tuple(map(str, names)) if isinstance(names, list | tuple) and names else None
