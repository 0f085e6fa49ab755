"""A folder with ``config.json`` and weights, as Hugging Face's libraries write it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from normscope.errors import NormscopeError
from normscope.models.files.regular_file import check_regular

if TYPE_CHECKING:
    from normscope.models.libraries.protocol import Library

CONFIGURATION = "config.json"
LARGEST_CONFIGURATION = 2**24
WEIGHTS = ("*.safetensors", "*.safetensors.index.json")


def check_no_folder(name: str) -> None:
    """Refuse an unknown model's name if a folder here has it.

    Args:
        name: As the user gave it.

    Raises:
        NormscopeError: If one does: it holds no model, or must be given as a path.
    """
    path = Path(name)
    if path.is_dir():
        read_configuration(path)
        raise NormscopeError(
            f"a model's folder must be named by a path, got {name}, which could be a model's name. "
            f"Write .{os.sep}{name}."
        )


def open_folder(name: str, path: Path) -> Library:
    """What reads the model of a folder.

    Args:
        name: As the user gave it.
        path: The folder.

    Returns:
        timm's or transformers' model, with the folder's own weights.

    Raises:
        NormscopeError: If it holds no configuration or no weights in safetensors.
    """
    configuration = read_configuration(path)
    if not any(next(path.glob(pattern), None) for pattern in WEIGHTS):
        raise NormscopeError(
            f"{name} must hold its weights as safetensors, got a configuration without. Put "
            "model.safetensors beside it."
        )
    if is_timm(configuration):
        from normscope.models.libraries.from_timm import LOCAL, TimmModel

        return TimmModel(f"{LOCAL}{path}")
    from normscope.models.libraries.from_hugging_face import HuggingFaceModel

    return HuggingFaceModel(str(path))


def read_configuration(path: Path) -> dict[str, Any]:
    """The configuration of a folder's model.

    Args:
        path: The folder.

    Returns:
        What ``config.json`` holds.

    Raises:
        NormscopeError: If it holds no model's configuration.
    """
    file = path / CONFIGURATION
    if not file.exists():
        met = "without" if any(path.iterdir()) else "with nothing in it"
        raise NormscopeError(
            f"a model's folder must hold {CONFIGURATION} and a file of weights, as Hugging Face's "
            f"and timm's do, got {path} {met}. Name the file or the folder that holds the model."
        )
    met: object = "a larger file"
    if check_regular(file) <= LARGEST_CONFIGURATION:
        try:
            met = json.loads(file.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            met = error
    if isinstance(met, dict) and met.keys() & {"model_type", "architecture", "architectures"}:
        return met
    said = f"keys {', '.join(map(str, met))}"[:200] if isinstance(met, dict) else str(met)
    raise NormscopeError(
        f"{file} must say model_type (transformers) or architecture (timm), got {said}. Fetch "
        "the whole folder again."
    )


def is_timm(configuration: dict[str, Any]) -> bool:
    """Whether a configuration is one of timm's.

    Args:
        configuration: What ``config.json`` holds.

    Returns:
        True where it names an architecture of timm's.
    """
    return "architecture" in configuration and "model_type" not in configuration
