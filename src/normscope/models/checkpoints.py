"""What training scripts save around a network's weights: other values, wrappings, prefixes."""

from __future__ import annotations

import pickle
import warnings
from collections import Counter
from typing import TYPE_CHECKING, Any

import torch

from normscope.errors import NormscopeError
from normscope.wording import first_line, listed

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from torch import Tensor

    Weights = dict[str, Tensor]

WRAPPINGS = (
    "state_dict", "model_state_dict", "model", "net", "network", "module", "model_state", "weights",
    "params", "state_dict_ema", "model_ema", "ema_state_dict", "ema", "params_ema",
)  # fmt: skip
"""Keys under which training scripts commonly keep the weights in a checkpoint, averaged ones last
(timm's, torchvision's and Lightning's scripts, DeepSpeed, BasicSR)."""

PREFIXES = ("module.", "_orig_mod.")
"""What ``DataParallel`` and ``torch.compile`` put before every name."""

WITHIN = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")
"""What ``torch.compile``, FSDP and activation checkpointing put in the middle of names."""

COUNTERS = ("n_averaged", "num_batches_tracked")
"""Of ``AveragedModel`` and of BatchNorm, which evaluation does not read."""

DEEPEST = 4
"""How many wrappings may lie around each other."""

MOST_LISTED = 5


class Unread:
    """Stands for an object of a class that is not opened, such as a script's arguments."""

    def __init__(self, *_: object) -> None:
        """Take whatever the class was called with."""

    def __new__(cls, *_: object) -> Unread:
        """Take whatever the class was made with."""
        return super().__new__(cls)

    def __setstate__(self, _: object) -> None:
        """Leave out what the object held."""


def load_checkpoint(path: str | Path) -> Any:
    """What torch saved, without running anybody's code: only tensors and plain values are made.

    Trainings save their arguments, scores and schedules beside the weights. Objects of other
    classes come as ``Unread``.

    Returns:
        As torch gives it.

    Raises:
        NormscopeError: If it cannot be read so.
    """
    try:
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError:
            return _without_objects(path)
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


def _without_objects(path: str | Path) -> Any:
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except ValueError:  # no archive, as torch wrote before 1.6
        raise pickle.UnpicklingError from None
    # Each name its own class: torch tells what it may make by the class.
    classes: Any = [(type("Unread", (Unread,), {}), name) for name in names]
    with torch.serialization.safe_globals(classes):
        content = torch.load(path, map_location="cpu", weights_only=True)
    if isinstance(content, Unread):  # a whole network
        raise pickle.UnpicklingError
    return content


def unwrapped(content: Any, path: str | Path) -> Weights:
    """The weights in what a training script saved.

    Args:
        content: As torch gives it.
        path: Where it comes from, for errors.

    Returns:
        Tensors by name.

    Raises:
        NormscopeError: If there are none, or nothing says which are meant.
    """
    for _ in range(DEEPEST):
        if _is_state_dict(content) or not isinstance(content, dict):
            break
        inner = [key for key, value in content.items() if _leads_to_weights(value)]
        known = [key for key in WRAPPINGS if key in inner] or inner
        if not known:
            break
        if known is inner and len(known) > 1:
            raise NormscopeError(
                f"{path} must hold one network's weights, got several, under "
                f"{listed(known, most=MOST_LISTED)}. Save the one that is meant: "
                f"torch.save(torch.load(FILE)[{known[0]!r}], 'weights.pth')."
            )
        if len(known) > 1:
            warnings.warn(
                f"{path} holds weights under {listed(known, most=MOST_LISTED)}: those under "
                f"{known[0]} are taken. For others: "
                f"torch.save(torch.load(FILE)[{known[1]!r}], 'weights.pth').",
                RuntimeWarning,
                stacklevel=2,
            )
        content = content[known[0]]
    if not isinstance(content, dict) or not content:
        got = "an empty one" if content == {} else type(content).__name__
        raise NormscopeError(
            f"{path} must hold a state dict (tensors by name), got {got}. Save model.state_dict()."
        )
    if not _is_state_dict(content):
        other = [k for k, v in content.items() if not (isinstance(k, str) and _holds_numbers(v))]
        raise NormscopeError(
            f"{path} must hold a state dict (tensors by name), got other values under "
            f"{', '.join(map(str, other[:MOST_LISTED]))}. Save model.state_dict()."
        )
    return content


def _is_state_dict(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(k, str) and _holds_numbers(v) for k, v in value.items())
    )


def _leads_to_weights(value: Any, depth: int = 1) -> bool:
    if _is_state_dict(value):
        return True
    # The states of optimizers are by number.
    if not isinstance(value, dict) or depth == DEEPEST or not all(type(k) is str for k in value):
        return False
    return any(_leads_to_weights(inner, depth + 1) for inner in value.values())


def _holds_numbers(value: Any) -> bool:
    # Others, such as sparse or quantized tensors, fit no network's own and fail where they are
    # compared with them.
    return (
        isinstance(value, torch.Tensor)
        and value.layout is torch.strided
        and not (value.is_quantized or value.is_meta)
    )


def without_prefixes(weights: Weights) -> Weights:
    """The same without what torch's own wrappers put into names."""
    for _ in PREFIXES:
        for prefix in PREFIXES:
            if weights and all(name.startswith(prefix) for name in weights):
                weights = {name.removeprefix(prefix): t for name, t in weights.items()}
    return weights


def named_as(own: Collection[str], weights: Weights, path: str | Path) -> Weights:
    """Weights under the names of a network that was part of a larger module as they were saved.

    A ``LightningModule`` with ``self.model`` puts ``model.`` before every name, and may hold the
    weights of a loss too; an averaged model counts its updates.

    Args:
        own: The network's names.
        weights: Tensors by name.
        path: Where they come from, for errors.

    Returns:
        Those of the network, where all its names stand behind one prefix; else with the prefix
        off that fits most names, so that what is missing can be said.

    Raises:
        NormscopeError: If the network is there more than once.
    """
    if any(part in name for name in weights for part in WITHIN):
        weights = {_without(name): tensor for name, tensor in weights.items()}
    needed = {name for name in own if not name.endswith(COUNTERS)}
    fits = Counter(prefix for name in weights for prefix in _prefixes(name, needed))
    most = max(fits.values(), default=0)
    best = [prefix for prefix, count in fits.items() if count == most]
    if not best or "" in best:
        return weights
    if len(best) > 1 and most == len(needed):
        raise NormscopeError(
            f"{path} must hold the network once, got it under "
            f"{listed(best, most=MOST_LISTED)}. Save one: its module's own state_dict()."
        )
    prefix = best[0]
    if most < len(needed):
        return {name.removeprefix(prefix): tensor for name, tensor in weights.items()}
    left = [name for name in weights if not name.startswith(prefix) and name not in COUNTERS]
    if left:
        warnings.warn(
            f"of {path} the {len(needed)} tensors of {prefix} are the network; {len(left)} "
            f"{'others are' if len(left) > 1 else 'other is'} left out: "
            f"{listed(left, most=MOST_LISTED)}.",
            RuntimeWarning,
            stacklevel=2,
        )
    return {name.removeprefix(prefix): t for name, t in weights.items() if name.startswith(prefix)}


def _without(name: str) -> str:
    for part in WITHIN:
        name = name.replace(part, "")
    return name


def _prefixes(name: str, needed: set[str]) -> list[str]:
    """Every beginning of a name, up to a dot, behind which a name of the network stands."""
    ends = [0, *(at + 1 for at, letter in enumerate(name) if letter == ".")]
    return [name[:end] for end in ends if name[end:] in needed]
