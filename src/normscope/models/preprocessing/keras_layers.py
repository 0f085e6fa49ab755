"""What a Keras file's own first layers do to pixels: ``Rescaling``, ``Normalization``, arithmetic.

A ``.keras`` file is a ZIP archive of ``config.json`` and ``model.weights.h5``; no layer is built.
"""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from normscope.errors import MissingExtra, NormscopeError
from normscope.images.unpacking import DAMAGE
from normscope.models.preprocessing.claim import RGB, Claim
from normscope.models.preprocessing.colours import colours, fitted, rounded
from normscope.models.preprocessing.units import in_units_of_01

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MOST_BYTES = 64 << 20
UNREADABLE = (
    *DAMAGE, OSError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError
)  # fmt: skip
"""What reading somebody's archive and configuration raises."""

EPSILON = 1e-7
"""``keras.backend.epsilon()``: the least std that ``Normalization`` divides by."""

UNCHANGING = frozenset({
    "Activation", "CenterCrop", "Dropout", "GaussianNoise", "Identity", "InputLayer", "Resizing",
})  # fmt: skip
"""What leaves values as they are when a network is used; so do layers called ``Random...``."""

ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "Add": np.add, "Divide": np.divide, "Multiply": np.multiply, "Subtract": np.subtract,
    "TrueDivide": np.divide,
}  # fmt: skip

NESTED = frozenset({"Functional", "Model", "Sequential"})


def keras_claims(path: Path) -> tuple[list[Claim], list[str]]:
    """What a Keras file's model does to its pixels.

    Args:
        path: Ends in ``.keras``.

    Returns:
        One claim where it does anything; nothing is ever wrong with it by itself.

    Raises:
        NormscopeError: If the file cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _claims(archive, path)
    except UNREADABLE as error:
        raise NormscopeError(
            f"{path} must be a file that Keras 3 saved, got {type(error).__name__}: {error}. "
            "Save it again."
        ) from None


def _claims(archive: zipfile.ZipFile, path: Path) -> tuple[list[Claim], list[str]]:
    entry = archive.getinfo("config.json")
    if entry.file_size > MOST_BYTES:
        raise NormscopeError(
            f"{path} must hold a config.json of at most {MOST_BYTES >> 20} MiB, got "
            f"{entry.file_size >> 20} MiB. Check the file."
        )
    model = json.loads(archive.read(entry))
    layers = list(first_layers(model))
    channels = next((n for n in map(_channels, layers) if n), None)
    if channels is None:
        return [], []
    values: Any = colours(channels).astype(np.float64)
    names = []
    for layer in layers:
        with np.errstate(all="ignore"):  # what is not finite is no normalization
            after = _applied(layer, values, archive)
        if after is None:
            break
        if after is not values:
            names.append(layer["class_name"])
        values = after
    if not names:
        return [], []
    source = f"{path.name}, {', '.join(dict.fromkeys(names))}"
    try:
        seen = fitted(values)
    except NormscopeError:
        seen = None
    if seen is None:
        return [Claim(f"{source}, which is no normalization by channel", inside=True)], []
    read = in_units_of_01(seen[0], of_bytes=False)
    if read.nothing:
        return [], []
    normalization = rounded(read.normalization) if read.normalization else None
    return [Claim(source, normalization, RGB, inside=True, takes=read.takes)], []


def first_layers(model: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The layers of a model's configuration in the order in which an image meets them.

    Models inside it are opened. It ends where several layers read the same values.

    Args:
        model: With ``class_name`` and ``config``.

    Yields:
        Layers, each with ``class_name`` and ``config``.
    """
    layers = model["config"].get("layers", [])
    chain = layers if model["class_name"] == "Sequential" else _chain(layers)
    for layer in chain:
        if layer["class_name"] in NESTED:
            yield from first_layers(layer)
        else:
            yield layer


def _chain(layers: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    inputs = [layer for layer in layers if layer["class_name"] == "InputLayer"]
    if len(inputs) != 1:
        return
    current = inputs[0]
    for _ in layers:  # no longer than they are, even where they read each other in a circle
        yield current
        name = current.get("name") or current["config"]["name"]
        readers = [layer for layer in layers if name in _read(layer.get("inbound_nodes"))]
        if len(readers) != 1:
            return
        current = readers[0]


def _read(nodes: Any) -> set[str]:
    # The names of the layers whose values a layer's calls read.
    if isinstance(nodes, dict):
        history = nodes.get("keras_history")
        if isinstance(history, list) and history:
            return {history[0]}
        nodes = list(nodes.values())
    if isinstance(nodes, list):
        return set().union(*map(_read, nodes)) if nodes else set()
    return set()


def _channels(layer: dict[str, Any]) -> int | None:
    shape = layer["config"].get("batch_shape") or []
    sizes = [shape[axis] for axis in (3, 1) if len(shape) == 4]
    return next((size for size in sizes if size in {1, 3, 4}), None)


def _applied(layer: dict[str, Any], values: Any, archive: zipfile.ZipFile) -> Any:
    # The values behind a layer; None where the network itself begins.
    kind, config = layer["class_name"], layer["config"]
    if kind == "Activation" and config.get("activation") != "linear":
        return None
    if kind in UNCHANGING or kind.startswith("Random"):
        return values
    if kind == "Rescaling":
        return values * _array(config["scale"]) + _array(config["offset"])
    if kind == "Normalization":
        return _normalized(config, values, archive)
    if kind in ARITHMETIC:
        return _computed(ARITHMETIC[kind], layer, values)
    return None


def _normalized(config: dict[str, Any], values: Any, archive: zipfile.ZipFile) -> Any:
    mean, variance = config.get("mean"), config.get("variance")
    if mean is None or variance is None:
        mean, variance = _adapted(config["name"], archive)
    std = np.maximum(np.sqrt(_array(variance)), EPSILON)
    if config.get("invert"):
        return values * std + _array(mean)
    return (values - _array(mean)) / std


def _adapted(name: str, archive: zipfile.ZipFile) -> tuple[np.ndarray, np.ndarray]:
    try:
        import h5py
    except ImportError:
        raise MissingExtra("h5py") from None
    found: list[tuple[np.ndarray, np.ndarray]] = []

    def look(_: str, group: Any) -> None:
        if group.attrs.get("name") == name and "0" in group and "1" in group:
            found.append((group["0"][()], group["1"][()]))

    with archive.open("model.weights.h5") as file, h5py.File(file, "r") as weights:
        weights.visititems(look)
    if not found:
        raise KeyError(f"no mean and variance of its layer {name}")
    return found[0]


def _computed(function: Callable[[Any, Any], Any], layer: dict[str, Any], values: Any) -> Any:
    calls = layer.get("inbound_nodes") or []
    arguments = calls[0].get("args", []) if len(calls) == 1 else []
    if len(arguments) != 2:
        return None
    known = [values if _read(a) else _array(a) for a in arguments]
    return function(*known) if sum(bool(_read(a)) for a in arguments) == 1 else None


def _array(value: Any) -> np.ndarray:
    # A number, a list, or Keras' way to write an array; one value for each channel.
    if isinstance(value, dict):
        value = value["config"]["value"]
    array = np.asarray(value, np.float64)
    return array.reshape(-1) if array.ndim else array
