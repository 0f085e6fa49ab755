"""A copy of a network, whatever its weights are computed from."""

from __future__ import annotations

import copy
from typing import TypeVar

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from normscope.errors import NormscopeError
from normscope.wording import first_line

Network = TypeVar("Network", bound=nn.Module)


def copied(model: Network) -> Network:
    """Copy a network.

    Torch's own copy refuses tensors that were computed, such as the weight that
    ``torch.nn.utils.weight_norm`` leaves in its layer; here they are copied by their values.

    Args:
        model: The network; not changed.

    Returns:
        The copy.

    Raises:
        NormscopeError: If it has lazy layers that have no weights yet, weights without numbers, or
            cannot be copied, as where its weights are spread over processes.
    """
    if any(is_lazy(tensor) for tensor in (*model.parameters(), *model.buffers())):
        raise NormscopeError(
            "the model's weights must be there, got lazy layers that have met no image. Run the "
            "model on one image first."
        )
    if any(tensor.is_meta for tensor in (*model.parameters(), *model.buffers())):
        raise NormscopeError(
            "the model's weights must be there, got some on the device meta, which have no "
            "numbers. Load them first."
        )
    computed = {
        id(value): value.detach().clone()
        for module in model.modules()
        for value in vars(module).values()
        if isinstance(value, Tensor) and not value.is_leaf
    }
    try:
        return copy.deepcopy(model, computed)
    except Exception as error:
        raise NormscopeError(
            f"the model must be one that can be copied, got {type(error).__name__}: "
            f"{first_line(error)}. Where FSDP spreads it over processes, give a function, such as "
            "model=lambda images: network(images), in all of them."
        ) from error
