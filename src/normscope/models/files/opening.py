"""From the path of a model to what reads it: told by content where content tells."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from normscope.errors import NormscopeError
from normscope.models.files import archive, naming
from normscope.models.files.file_model import ProgramFile
from normscope.models.files.folder import CONFIGURATION, open_folder
from normscope.models.files.regular_file import check_regular
from normscope.models.weights import weights_digest

if TYPE_CHECKING:
    from normscope.models.libraries.protocol import Library

TAKEN = ".onnx, .pt2, TorchScript, .keras, or a Hugging Face or timm folder with config.json"


def open_model(name: str) -> Library:
    """What reads the model of a path.

    Args:
        name: Of a file or a folder; ``~`` stands for the home folder.

    Returns:
        A library of that one model.

    Raises:
        NormscopeError: If nothing is there, or it is no model's.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return open_folder(name, path)
    kind = kind_of_program(name)
    if kind == naming.ONNX:
        from normscope.models.files.onnx_network import OnnxNetwork

        return ProgramFile(name, OnnxNetwork)
    if kind == archive.PROGRAM:
        from normscope.models.files.program import read_program

        return ProgramFile(name, read_program)
    if kind == archive.SCRIPT:
        from normscope.models.files.torchscript import read_torchscript

        return ProgramFile(name, read_torchscript)
    from normscope.models.files.keras_file import read_keras

    return ProgramFile(name, read_keras)


def kind_of_program(name: str) -> str:
    """Which kind of program a file is.

    Args:
        name: Its path.

    Returns:
        ``.onnx``, or a kind of ``archive``.

    Raises:
        NormscopeError: If nothing is there, or it is no program.
    """
    path = Path(name).expanduser()
    check_regular(path)
    if path.suffix.lower() == naming.ONNX:
        return naming.ONNX
    kind = archive.archive_kind(path)
    if kind in {archive.PROGRAM, archive.SCRIPT, archive.KERAS}:
        return kind
    raise NormscopeError(_refusal(name, path, kind))


def check_layers(model: str, command: str) -> None:
    """Refuse a program where layers must be reached.

    Args:
        model: As ``build_model`` takes it.
        command: What needs them.

    Raises:
        NormscopeError: If it is a program, or a file that holds no network.
    """
    if naming.names_program(model):
        kind_of_program(model)
        raise NormscopeError(
            f"normscope {command} must be used with a network whose layers can be reached, got "
            f"{model}, a finished program. Give the network that it was exported from."
        )


def digest_of_model(name: str) -> str:
    """A digest of what the file or folder of a model holds.

    Args:
        name: Its path.

    Returns:
        Sixteen hexadecimal digits.
    """
    path = Path(name).expanduser()
    if not path.is_dir():
        check_regular(path)
        return weights_digest(path)
    files = [path / CONFIGURATION, *sorted(path.glob("*.safetensors"))]
    digests = [weights_digest(file) for file in files if file.is_file()]
    return hashlib.sha256(" ".join(digests).encode()).hexdigest()[:16]


def _refusal(name: str, path: Path, kind: str | None) -> str:
    suffix = path.suffix.lower()
    if suffix in {naming.PROGRAM, naming.KERAS}:
        return f"{name} must be a whole {suffix} file, got something else. Fetch it again."
    if kind == archive.WEIGHTS or suffix in {".safetensors", ".pt", ".pth"}:
        return (
            f"a model must hold its network, got {name}, which holds weights alone or a pickle, "
            f"which is not opened. Name the network and pass --weights {name}, or export it."
        )
    return f"a model's file must be {TAKEN}, got {name}. Export the network as one of these."
