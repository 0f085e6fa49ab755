"""Files of weights: read without running anybody's code, and loaded whole or refused."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from normscope.errors import NormscopeError
from normscope.models.checkpoints import load_checkpoint, unwrapped, without_prefixes
from normscope.models.files.archive import WEIGHTS, archive_kind
from normscope.regular_files import digest
from normscope.wording import first_line

if TYPE_CHECKING:
    from torch import Tensor, nn

MOST_LISTED = 5
OPTIONAL = "num_batches_tracked"
"""BatchNorm's counter, which evaluation does not read and old files do not have."""

FOLDED = {"normscope": "folded"}
"""Metadata of weights that take raw pixels, since a normalization is folded into them."""

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
    """The tensors of a safetensors file, or of a state dict or checkpoint that torch saved.

    A file of torch's is opened with ``weights_only=True``, so that nothing in it can run. What
    training scripts put around the weights (``checkpoints.py``) is undone.

    Returns:
        Tensors by name, on the CPU.

    Raises:
        NormscopeError: If it cannot be read so.
    """
    weights_digest(path)  # said in one way whatever the format
    if _is_safetensors(path):
        return without_prefixes(_read_safetensors(path))
    kind = archive_kind(Path(path))
    if kind not in {None, WEIGHTS}:
        raise NormscopeError(
            f"--weights must be a file of tensors, got {path}, a whole {kind} model. Give it as "
            "the model itself, without --weights."
        )
    return without_prefixes(unwrapped(load_checkpoint(path), path))


def check_unfolded(path: str | Path) -> None:
    """Refuse weights that ``normscope fold`` wrote: what comes before them would be done twice.

    Args:
        path: A file of weights.

    Raises:
        NormscopeError: If they are, or it is no whole file.
    """
    from safetensors import SafetensorError, safe_open

    if not _is_safetensors(path):
        return
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
    except SafetensorError:
        return  # which is said where the tensors are read
    if FOLDED.items() <= metadata.items():
        raise NormscopeError(
            f"--weights must be those before a fold, got {path}, into which normscope fold has put "
            "a normalization. Give the weights that were folded, or open it with "
            f"normscope.load_folded({str(path)!r})."
        )


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
            f"the weights of {path} must fit {name}, got {len(faults)} "
            f"{'tensors that do' if len(faults) > 1 else 'tensor that does'} not: "
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


def _is_safetensors(path: str | Path) -> bool:
    if str(path).lower().endswith(".safetensors"):
        return True
    with Path(path).open("rb") as file:  # the length of its header, and the header
        return file.read(9)[8:] == b"{"


def _read_safetensors(path: str | Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise NormscopeError(
            f"{path} must be a whole safetensors file, got: {first_line(error)}. Fetch it again."
        ) from None
