"""A network that a Python caller hands over: a module, or a callable from a batch to outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from normscope.errors import NormscopeError
from normscope.models.copying import copied
from normscope.models.outputs import Logits, only_tensor
from normscope.models.wrapping import is_exported, unwrapped

if TYPE_CHECKING:
    from collections.abc import Callable

    from normscope.models.libraries.protocol import PretrainedConfig


class CallableNetwork(nn.Module):
    """A function of a batch as a network.

    Args:
        function: Takes a float32 tensor ``(N, C, H, W)`` on the CPU, and gives a tensor or a NumPy
            array ``(N, outputs)``, alone in whatever holds it, or under ``logits``.
        name: What it is called in errors.
    """

    def __init__(self, function: Callable[[Any], Any], name: str) -> None:
        super().__init__()
        self._function = function
        self._name = name

    def forward(self, images: Tensor) -> Tensor:
        """The outputs ``(N, outputs)`` of normalized images ``(N, C, H, W)``."""
        # FSDP cannot take tensors of inference mode.
        with torch.inference_mode(mode=False), torch.no_grad():
            outputs = self._function(images.to("cpu", torch.float32, copy=True))
        return only_tensor(outputs, self._name).to(images.device)


class GivenModel:
    """A caller's own network as a library of one model.

    Args:
        model: Any module or callable; it is left as it is.
    """

    def __init__(self, model: Callable[[Any], Any]) -> None:
        self._model = unwrapped(model)

    def build(self, channels: int, classes: int, image_size: tuple[int, int]) -> nn.Module:  # noqa: ARG002
        """The network itself: there is no fresh one."""
        return self.pretrained()

    def pretrained(self) -> nn.Module:
        """The network, without what trainings put around it.

        Returns:
            A copy in evaluation mode, on the CPU and in float32.

        Raises:
            NormscopeError: If it cannot be copied.
        """
        name = name_of(self._model)
        if is_exported(self._model):
            from normscope.models.files.program import exported_network

            return exported_network(self._model, name)
        if not isinstance(self._model, nn.Module):
            return CallableNetwork(self._model, name).eval()
        network = copied(self._model).eval().cpu()
        if isinstance(network, torch.jit.ScriptModule):  # its weights and layers are its own affair
            return CallableNetwork(network.forward, name).eval()
        network.float()
        # As transformers' classifiers give them.
        return Logits(network) if hasattr(network, "config") else network

    def published(self) -> PretrainedConfig | None:
        """Nothing."""
        return None


def name_of(model: Any) -> str:
    """What a model is called.

    Args:
        model: Its name, or a module or callable.

    Returns:
        The name; of a network, its function's or its class's.

    Raises:
        NormscopeError: If it is none of these.
    """
    if isinstance(model, str):
        return model
    if not callable(model) or isinstance(model, type):
        met = f"the class {model.__name__}" if isinstance(model, type) else repr(model)[:100]
        raise NormscopeError(
            "model must be a name, a torch.nn.Module or a callable from a batch to outputs, got "
            f"{met}. Hand over the network itself."
        )
    model = unwrapped(model)
    return str(getattr(model, "__name__", type(model).__name__))
