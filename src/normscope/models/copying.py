"""A copy of a network, whatever its weights are computed from."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from torch import Tensor
from torch.nn.parameter import is_lazy

from normscope.errors import NormscopeError

if TYPE_CHECKING:
    from torch import nn


def copied(model: nn.Module) -> nn.Module:
    """Copy a network.

    Torch's own copy refuses tensors that were computed, such as the weight that
    ``torch.nn.utils.weight_norm`` leaves in its layer; here they are copied by their values.

    Args:
        model: The network; not changed.

    Returns:
        The copy.

    Raises:
        NormscopeError: If it has lazy layers that have no weights yet.
    """
    if any(is_lazy(tensor) for tensor in (*model.parameters(), *model.buffers())):
        raise NormscopeError(
            "the model's weights must be there, got lazy layers that have met no image. Run the "
            "model on one image first."
        )
    computed = {
        id(value): value.detach().clone()
        for module in model.modules()
        for value in vars(module).values()
        if isinstance(value, Tensor) and not value.is_leaf
    }
    return copy.deepcopy(model, computed)
