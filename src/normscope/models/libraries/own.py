"""The networks of normscope itself, and those of a user's factories."""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING, Any

from torch import nn

from normscope.errors import NormscopeError
from normscope.models.importing import import_callable
from normscope.models.lenet import LeNet
from normscope.models.resnet20 import ResNet20

if TYPE_CHECKING:
    from collections.abc import Callable

    from normscope.models.libraries.protocol import PretrainedConfig

OWN_MODELS: dict[str, Callable[..., nn.Module]] = {
    "lenet": LeNet,
    "lenet-bn": partial(LeNet, batchnorm=True),
    "resnet20": ResNet20,
}


class Factory:
    """A class or function that builds a network; nobody publishes weights for it.

    Args:
        name: What the model is called.
        factory: Called with those of ``channels``, ``classes`` and ``image_size`` that its
            signature names.
    """

    def __init__(self, name: str, factory: Callable[..., Any]) -> None:
        self._name = name
        self._factory = factory

    def build(self, channels: int, classes: int, image_size: tuple[int, int]) -> nn.Module:
        """Call the factory, which must return a module; see ``Library``."""
        offered = {"channels": channels, "classes": classes, "image_size": image_size}
        try:
            model = self._factory(**_named_in_signature(self._factory, offered))
        except NormscopeError:
            raise
        except (Exception, SystemExit) as error:
            raise NormscopeError(
                f"model factory {self._name} must build a network, got {type(error).__name__}: "
                f"{error}. Mend the factory."
            ) from error
        if not isinstance(model, nn.Module):
            raise NormscopeError(
                f"model factory {self._name} must return a torch.nn.Module, got "
                f"{type(model).__name__}. Return the network."
            )
        return model

    def pretrained(self) -> nn.Module:
        """Refuse: nobody publishes weights."""
        raise NormscopeError(
            f"--weights default must be used with a model whose library publishes weights, got "
            f"{self._name}. Give a file of weights."
        )

    def published(self) -> PretrainedConfig | None:
        """Nothing."""
        return None


def import_factory(name: str) -> Callable[..., Any]:
    """Find what ``package.module:factory`` names, without calling it."""
    return import_callable(name, "model factory", "factory", "returns the network")


def _named_in_signature(factory: Callable[..., Any], offered: dict[str, Any]) -> dict[str, Any]:
    try:
        parameters = inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return {}
    return {name: value for name, value in offered.items() if name in parameters}
