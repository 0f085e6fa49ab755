"""From a model's name to a network that fits the images."""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from normscope.errors import NormscopeError, UnknownName
from normscope.models.lenet import LeNet

if TYPE_CHECKING:
    from collections.abc import Callable

MODELS: dict[str, Callable[..., nn.Module]] = {"lenet": LeNet}


def build_model(
    name: str, *, channels: int, classes: int, image_size: tuple[int, int]
) -> nn.Module:
    """Build a network with its library's own initialization, drawn from torch's generator.

    Args:
        name: A name in ``MODELS``, or ``package.module:factory``. A factory is called with those
            of ``channels``, ``classes`` and ``image_size`` that its signature names.
        channels: Channels of the images.
        classes: How many outputs.
        image_size: Height and width in pixels.

    Returns:
        The network, on the CPU.

    Raises:
        NormscopeError: If the name is unknown, or the factory cannot be imported or called, or
            returns no module.
    """
    factory = model_factory(name)
    offered = {"channels": channels, "classes": classes, "image_size": image_size}
    try:
        model = factory(**_named_in_signature(factory, offered))
    except NormscopeError:
        raise
    except Exception as error:
        raise NormscopeError(
            f"model factory {name} must build a network, got {type(error).__name__}: {error}. "
            "Mend the factory."
        ) from error
    if not isinstance(model, nn.Module):
        raise NormscopeError(
            f"model factory {name} must return a torch.nn.Module, got {type(model).__name__}. "
            "Return the network."
        )
    return model


def check_model(name: str, *, channels: int, classes: int, image_size: tuple[int, int]) -> None:
    """Build a model once and show it one black image, before any trial depends on it.

    Args:
        name: As for ``build_model``.
        channels: Channels of the images.
        classes: How many outputs there must be.
        image_size: Height and width in pixels.

    Raises:
        NormscopeError: If it cannot be built, does not take the images, has no weights to train,
            or gives another number of outputs.
    """
    with torch.random.fork_rng(devices=[]):
        model = build_model(name, channels=channels, classes=classes, image_size=image_size).eval()
        shape = (1, channels, *image_size)
        try:
            with torch.inference_mode():
                output = model(torch.zeros(shape))
        except Exception as error:
            raise NormscopeError(
                f"model {name} must take images of shape {shape}, got {type(error).__name__}: "
                f"{error}. Mend the model, or use images that it takes."
            ) from error
    met = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
    if met != (1, classes):
        raise NormscopeError(
            f"model {name} must give one output for each of the {classes} classes, shape "
            f"{(1, classes)}, got {met}. Mend the model's last layer."
        )
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise NormscopeError(f"model {name} must have weights to train, got none. Mend the model.")


def model_factory(name: str) -> Callable[..., Any]:
    """Find what builds a model, without building it.

    Args:
        name: A name in ``MODELS``, or ``package.module:factory``.

    Returns:
        The class or function.

    Raises:
        UnknownName: If the name is unknown.
        NormscopeError: If its factory cannot be imported or called.
    """
    if name in MODELS:
        return MODELS[name]
    module_name, colon, attribute = name.partition(":")
    if not colon:
        raise UnknownName("model", name, MODELS, also="package.module:factory")
    working_folder = str(Path.cwd())
    if working_folder not in sys.path:
        sys.path.append(working_folder)
    try:
        factory: Any = importlib.import_module(module_name)
        for part in attribute.split("."):
            factory = getattr(factory, part)
    except Exception as error:
        raise NormscopeError(
            f"model factory {name} must import, got {type(error).__name__}: {error}. "
            "Check the module's and the factory's names."
        ) from error
    if not callable(factory):
        raise NormscopeError(
            f"model factory {name} must be callable, got {type(factory).__name__}. "
            "Name a class or function that returns the network."
        )
    return factory


def _named_in_signature(factory: Callable[..., Any], offered: dict[str, Any]) -> dict[str, Any]:
    try:
        parameters = inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return {}
    return {name: value for name, value in offered.items() if name in parameters}
