"""Files of weights: read without running anybody's code, and loaded whole or refused."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from normscope.errors import NormscopeError
from normscope.models.files.archive import WEIGHTS, archive_kind
from normscope.regular_files import digest
from normscope.wording import first_line

if TYPE_CHECKING:
    from torch import Tensor, nn

WRAPPINGS = ("state_dict", "model_state_dict", "model", "net")
"""Keys under which training scripts commonly keep the weights in a checkpoint."""

PREFIXES = ("module.", "_orig_mod.")
"""What ``DataParallel`` and ``torch.compile`` put before every name."""

MOST_LISTED = 5
OPTIONAL = "num_batches_tracked"
"""BatchNorm's counter, which evaluation does not read and old files do not have."""

STATISTICS = ("running_mean", "running_var")
"""Of BatchNorm, which evaluation divides by."""


def weights_digest(path: str | Path) -> str:
    """A digest of a file's bytes.

    Returns:
        Sixteen hexadecimal digits.

    Raises:
        NormscopeError: If it cannot be read.
    """
    try:
        return digest(path)[:16]
    except OSError as error:
        raise NormscopeError(
            f"--weights must be a readable file or 'default', got {path}: {error.strerror}. "
            "Check the path."
        ) from None


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, or of a state dict that torch saved.

    A file of torch's is opened with ``weights_only=True``, so that nothing in it can run. The
    usual wrappings (``state_dict`` and the like around it, ``module.`` before every name) are
    undone.

    Returns:
        Tensors by name, on the CPU.

    Raises:
        NormscopeError: If it cannot be read so.
    """
    weights_digest(path)  # said in one way whatever the format
    if str(path).endswith(".safetensors"):
        return _without_prefixes(_read_safetensors(path))
    kind = archive_kind(Path(path))
    if kind not in {None, WEIGHTS}:
        raise NormscopeError(
            f"--weights must be a file of tensors, got {path}, a whole {kind} model. Give it as "
            "the model itself, without --weights."
        )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise NormscopeError(
            f"{path} must hold tensors alone, got a pickle that would have to run code to load, "
            "or no pickle at all. "
            "Where you trust it, convert it once: safetensors.torch.save_file("
            "torch.load(FILE, weights_only=False).state_dict(), 'weights.safetensors')."
        ) from None
    except Exception as error:  # noqa: BLE001 - a damaged pickle can make torch raise anything
        raise NormscopeError(
            f"{path} must be a safetensors file or a state dict saved by torch, "
            f"got: {first_line(error)}. Save it again."
        ) from None
    return _without_prefixes(_unwrapped(content, path))


def load_weights(model: nn.Module, weights: dict[str, Tensor], path: str, name: str) -> None:
    """Load weights into a network that they fit without remainder.

    Args:
        model: Changed in place.
        weights: Tensors by name.
        path: Where they come from, for errors.
        name: What the model is called, for errors.

    Raises:
        NormscopeError: If a tensor is missing, left over, of another shape or not finite.
    """
    faults = mismatches(model, weights)
    if faults:
        more = f"; and {len(faults) - MOST_LISTED} more" if len(faults) > MOST_LISTED else ""
        raise NormscopeError(
            f"the weights of {path} must fit {name}, got {len(faults)} tensors that do not: "
            f"{'; '.join(faults[:MOST_LISTED])}{more}. Choose the model that they were saved from."
        )
    model.load_state_dict(weights, strict=False)
    _check_finite(model, path)


def _check_finite(model: nn.Module, path: str) -> None:
    # Not every buffer: an attention mask may hold infinities by right.
    numbers = dict(model.named_parameters())
    numbers |= {n: b for n, b in model.named_buffers() if n.endswith(STATISTICS)}
    broken = [name for name, tensor in numbers.items() if not bool(tensor.isfinite().all())]
    if broken:
        raise NormscopeError(
            f"the weights of {path} must be finite, got nan or inf in {len(broken)} of "
            f"{len(numbers)} tensors, such as {broken[0]}. Fetch the file again, or take an "
            "earlier checkpoint."
        )


def mismatches(model: nn.Module, weights: dict[str, Tensor]) -> list[str]:
    """What keeps weights from fitting a network.

    Returns:
        A phrase for each tensor, in the network's order, then those left over.
    """
    own = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    faults = []
    for name, shape in own.items():
        if name not in weights:
            if not name.endswith(OPTIONAL):
                faults.append(f"{name} is missing")
        elif tuple(weights[name].shape) != shape:
            faults.append(f"{name} has shape {tuple(weights[name].shape)} in place of {shape}")
    return faults + [f"{name} is not in the network" for name in weights if name not in own]


def outputs_of(model: nn.Module, weights: dict[str, Tensor], classes: int) -> int:
    """How many outputs the network had that weights were saved from.

    The tensors that do not fit a network of ``classes`` outputs are its head's if all of them
    differ in their first dimension alone, and in the same way.

    Args:
        model: The network with ``classes`` outputs.
        weights: Tensors by name.
        classes: Its outputs.

    Returns:
        The number of outputs; ``classes`` where the weights say nothing clear.
    """
    found = set()
    for name, tensor in model.state_dict().items():
        shape = tuple(tensor.shape)
        met = tuple(weights[name].shape) if name in weights else shape
        if shape != met:
            if not shape or shape[0] != classes or shape[1:] != met[1:] or not met:
                return classes
            found.add(met[0])
    return found.pop() if len(found) == 1 else classes


def _read_safetensors(path: str | Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise NormscopeError(
            f"{path} must be a whole safetensors file, got: {first_line(error)}. Fetch it again."
        ) from None


def _unwrapped(content: Any, path: str | Path) -> dict[str, Tensor]:
    for key in WRAPPINGS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not content:
        raise NormscopeError(
            f"{path} must hold a state dict (tensors by name), got {type(content).__name__}. "
            "Save model.state_dict()."
        )
    other = [k for k, v in content.items() if not (isinstance(k, str) and _holds_numbers(v))]
    if other:
        raise NormscopeError(
            f"{path} must hold a state dict (tensors by name), got other values under "
            f"{', '.join(map(str, other[:MOST_LISTED]))}. Save model.state_dict()."
        )
    return content


def _holds_numbers(value: Any) -> bool:
    # Others, such as sparse or quantized tensors, fit no network's own and fail where they are
    # compared with them.
    return (
        isinstance(value, torch.Tensor)
        and value.layout is torch.strided
        and not (value.is_quantized or value.is_meta)
    )


def _without_prefixes(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    for _ in PREFIXES:
        for prefix in PREFIXES:
            if weights and all(name.startswith(prefix) for name in weights):
                weights = {name.removeprefix(prefix): t for name, t in weights.items()}
    return weights
