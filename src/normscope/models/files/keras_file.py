"""A Keras 3 file (``.keras``) as a network, run by Keras on torch (extra ``keras``)."""

from __future__ import annotations

import io
import json
import os
import sys
import zipfile
from typing import TYPE_CHECKING, Any

from normscope.errors import MissingExtra, NormscopeError
from normscope.models.files.archive import LARGEST, MOST_PACKED, check_archive
from normscope.models.files.image_input import (
    TAKES,
    ImageInput,
    check_floats,
    one_input,
    one_output,
)
from normscope.models.files.program_network import ProgramNetwork
from normscope.quiet import without_warnings
from normscope.wording import first_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BACKEND = "KERAS_BACKEND"

OF_OTHERS = {
    "FlaxLayer", "JaxLayer", "Lambda", "SavedModel", "StringLookup", "TFSMLayer",
    "TextVectorization", "TorchModuleWrapper",
}  # fmt: skip
"""Layers that hold code, or open files beside their own."""


def read_keras(path: Path) -> ProgramNetwork:
    """Read a Keras 3 file.

    Args:
        path: The file.

    Returns:
        The network; images are permuted where it takes them as ``(N, H, W, C)``.

    Raises:
        NormscopeError: If Keras is not installed or runs on something else, or if the file cannot
            be read safely or does not take one batch of images.
    """
    network = trainable_keras(path)
    model: Any = network.program
    model.trainable = False
    return network


def trainable_keras(path: Path, *, folded: bool = False) -> ProgramNetwork:
    """The same, with the layers trainable that were.

    Args:
        path: The file.
        folded: Whether one is expected that takes raw pixels.

    Returns:
        The network.

    Raises:
        NormscopeError: Likewise.
    """
    check_archive(path)
    keras = _keras(path)
    stored = _check_content(path)
    with without_warnings():
        try:
            _check_declared(keras, path, stored)
            model: Any = keras.saving.load_model(path, compile=False, safe_mode=True)
        except NormscopeError:
            raise
        except Exception as error:  # noqa: BLE001 - Keras's reader fails in any way
            raise NormscopeError(
                f"{path} must be a file that Keras {keras.__version__} reads, got: "
                f"{first_line(error)}. Save it again with model.save."
            ) from None
    inputs, outputs = list(model.inputs or []), list(model.outputs or [])
    name = one_input(path, [one.name for one in inputs])
    one_output(path, [one.name for one in outputs])
    check_floats(path, name, str(inputs[0].dtype))
    if not folded and (takes := takes_of(path)):
        check_floats(path, name, takes)
    return ProgramNetwork(model, path, ImageInput.of(path, name, inputs[0].shape))


def _keras(path: Path) -> Any:
    if "keras" not in sys.modules:
        # Its other backends know nothing of torch's tensors.
        os.environ[BACKEND] = "torch"
    try:
        import keras
    except ImportError:
        raise MissingExtra("keras", str(path)) from None
    if keras.backend.backend() != "torch":
        raise NormscopeError(
            f"keras must run on torch to read {path}, got the backend "
            f"{keras.backend.backend()}. Set {BACKEND}=torch before keras is imported."
        )
    return keras


def takes_of(path: Path) -> str:
    """Which type the pixels of a folded file have; nothing of others, which take any floats."""
    with zipfile.ZipFile(path) as archive:
        return archive.read(TAKES).decode(errors="replace") if TAKES in archive.namelist() else ""


def _check_content(path: Path) -> int:
    """Refuse code and links in a file, and say how many numbers it stores."""
    import h5py

    try:
        with zipfile.ZipFile(path) as archive:
            configuration = json.loads(archive.read("config.json"))
            (member,) = [n for n in archive.namelist() if n.endswith(".weights.h5")]
            weights = archive.read(member)
        for layer in _layers(configuration):
            _check_layer(layer, path)
        with h5py.File(io.BytesIO(weights)) as file:
            return _stored(file, path, len(weights))
    except (OSError, ValueError, KeyError, RuntimeError, RecursionError) as error:
        raise NormscopeError(
            f"{path} must be a whole .keras file, got: {first_line(error)}. Fetch it again."
        ) from None


def _layers(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "class_name" in value:
            yield value
        for inner in value.values():
            yield from _layers(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _layers(inner)


def _check_layer(layer: dict[str, Any], path: Path) -> None:
    name, module = layer["class_name"], layer.get("module")
    keras_own = module is None or module == "keras" or str(module).startswith("keras.")
    registered = layer.get("registered_name")
    if not keras_own or name in OF_OTHERS or (registered or name) != name:
        raise NormscopeError(
            f"{path} must hold layers of Keras without code of others, got {name}. "
            "Build it again without that layer."
        )


def _stored(file: Any, path: Path, size: int) -> int:
    """How many numbers lie in the weights, which hold no links and no more than their bytes."""
    import h5py

    total = bytes_ = 0
    for group in _groups(file):
        for name in group:
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise _not_stored(path, f"a link in {name}")
            item = group[name]
            if isinstance(item, h5py.Dataset):
                if item.external or item.is_virtual:
                    raise _not_stored(path, f"{name} in another file")
                total += int(item.size or 0)
                bytes_ += item.nbytes
    if bytes_ > min(LARGEST, MOST_PACKED * size):
        raise _not_stored(path, f"{bytes_:,} bytes in {size:,}")
    return total


def _groups(group: Any) -> Iterator[Any]:
    import h5py

    yield group
    for name in group:
        if group.get(name, getclass=True, getlink=True) is h5py.HardLink:
            inner = group[name]
            if isinstance(inner, h5py.Group):
                yield from _groups(inner)


def _not_stored(path: Path, met: str) -> NormscopeError:
    return NormscopeError(
        f"the weights of {path} must lie in it as they are, got {met}. Fetch the file from its "
        "source again."
    )


def _check_declared(keras: Any, path: Path, stored: int) -> None:
    """Refuse layers larger than the weights, which would be made before these are read."""
    with zipfile.ZipFile(path) as archive:
        configuration = json.loads(archive.read("config.json"))
    with keras.device("meta"):
        declared = keras.saving.deserialize_keras_object(configuration, safe_mode=True)
    if declared.count_params() > stored:
        raise NormscopeError(
            f"{path} must store the {declared.count_params():,} weights that its layers have, got "
            f"{stored:,}. Fetch it again."
        )
