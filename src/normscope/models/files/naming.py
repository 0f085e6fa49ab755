"""Whether a model's name is that of a file or a folder; nothing is opened for it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from normscope.models.libraries import HUGGING_FACE, TIMM

ONNX, PROGRAM, KERAS = ".onnx", ".pt2", ".keras"
SUFFIXES = (ONNX, PROGRAM, KERAS, ".pt", ".pth", ".ts", ".torchscript", ".safetensors", ".h5")
"""What the files of models end in; the last are known so that they are refused in plain words."""


def names_file(model: str) -> bool:
    """Whether a model's name is a path.

    A folder in the working folder is written ``./NAME``, so that no folder hides a model's name.

    Args:
        model: As ``build_model`` takes it.

    Returns:
        True where it ends as files of models do, starts like a path, or is one with a separator.
    """
    if model.startswith((TIMM, HUGGING_FACE)) or names_source(model):
        return False
    if model.lower().endswith(SUFFIXES) or model.startswith((".", "~", os.sep)):
        return True
    separators = {os.sep, os.altsep} - {None}
    return any(separator in model for separator in separators)


def names_source(name: str) -> bool:
    """Whether a name is that of a file of Python code, which is imported by its module's name.

    Args:
        name: Of a model or a transform.

    Returns:
        True for ``net.py`` and ``folder/net.py:factory``.
    """
    return re.search(r"\.py(:|$)", name) is not None


def names_program(model: str) -> bool:
    """Whether a model's name is a file that is run as it is, without layers that can be changed.

    Args:
        model: As ``build_model`` takes it.

    Returns:
        True for a path that is no folder.
    """
    return names_file(model) and not Path(model).is_dir()
