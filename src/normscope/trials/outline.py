"""A network without its numbers, by which its size is known before it is built."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.overrides import TorchFunctionMode

from normscope.errors import NormscopeError
from normscope.machine.free_memory import free_memory
from normscope.machine.without_compiler import without_compiler
from normscope.models.building import build_model
from normscope.models.files.naming import names_file
from normscope.models.importing import names_code
from normscope.models.libraries import HUGGING_FACE

if TYPE_CHECKING:
    from torch import nn

    from normscope.models.options import ModelOptions

ADVICE = "Use smaller images (--resize, --crop) or another --model, such as resnet18."


class _WithoutDraws(TorchFunctionMode):
    """Leaves out normal draws: on ``meta``, where they set nothing, they import for seconds."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        given = kwargs or {}
        if func in {torch.Tensor.normal_, torch.nn.init.normal_}:
            return args[0] if args else given["tensor"]
        return func(*args, **given)


def outlined(model: str, options: ModelOptions, shape: dict[str, Any]) -> nn.Module | None:
    """A network of fresh weights without their numbers, which takes no memory.

    Args:
        model: Its name.
        options: Its weights, and what is changed in it.
        shape: What else ``build_model`` takes.

    Returns:
        The network on torch's device ``meta``; None where weights or code are somebody's own, or
        where it cannot be built there.
    """
    if options.weights is not None or names_code(model) or names_file(model):
        return None
    if model.startswith(HUGGING_FACE):  # asks the network for its settings
        return None
    try:
        with without_compiler(), torch.device("meta"), _WithoutDraws():
            return build_model(model, options=options, **shape)
    except Exception:  # noqa: BLE001 - what is wrong is said where it is really built
        return None


def check_weights_fit(network: nn.Module | None, model: str, image_size: tuple[int, int]) -> None:
    """Refuse a network whose weights alone do not fit the memory.

    Args:
        network: As ``outlined`` gives it.
        model: Its name.
        image_size: Height and width in pixels.

    Raises:
        NormscopeError: If they do not.
    """
    free = free_memory()
    if network is None or free is None or weight_bytes(network) <= free:
        return
    raise NormscopeError(
        f"{model} must fit the {gb(free)} of memory that are free, got one of "
        f"{gb(weight_bytes(network))} for {sized(image_size)}. {ADVICE}"
    )


def weight_bytes(network: nn.Module) -> int:
    """What a network's weights take in bytes."""
    return sum(parameter.numel() * parameter.element_size() for parameter in network.parameters())


def sized(size: tuple[int, int]) -> str:
    """What images of a height and width in pixels are called."""
    return f"images of {size[1]} x {size[0]} pixels"


def gb(bytes_: int) -> str:
    """Bytes as sentences have them."""
    return f"{bytes_ / 1e9:.3g} GB"
