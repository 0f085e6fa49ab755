"""From a model's name to a network that fits the images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from normscope.errors import NormscopeError, UnknownName
from normscope.models import libraries
from normscope.models.batchnorm import leave_out_batchnorm
from normscope.models.checkpoints import named_as
from normscope.models.class_names import outputs_for_classes
from normscope.models.files.folder import check_no_folder
from normscope.models.files.naming import names_file
from normscope.models.files.program_network import ProgramNetwork
from normscope.models.given import CallableNetwork, GivenModel, name_of
from normscope.models.importing import names_code
from normscope.models.libraries.from_torchvision import TorchvisionModel, torchvision_names
from normscope.models.libraries.own import OWN_MODELS, Factory, import_factory
from normscope.models.options import DEFAULT_WEIGHTS, ModelOptions, check_no_weights
from normscope.models.outputs import SelectedOutputs, replace_head, without_wrapping
from normscope.models.weights import check_unfolded, load_weights, outputs_of, read_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from normscope.models.libraries.protocol import Library, PretrainedConfig

ALSO = "a torchvision classification model, timm/NAME, hf/NAME, package.module:factory or a path"

PLAIN = ModelOptions()


def build_model(
    model: str | Callable[[Any], Any],
    *,
    channels: int,
    classes: int | Sequence[str],
    image_size: tuple[int, int],
    options: ModelOptions = PLAIN,
) -> nn.Module:
    """Build a network; what is not loaded is drawn from torch's generator.

    Args:
        model: ``lenet``, ``lenet-bn``, ``resnet20``, a classification model of torchvision,
            ``timm/NAME``, ``hf/NAME``, or ``package.module:factory``. A factory is called with
            those of ``channels``, ``classes`` and ``image_size`` that its signature names. Or the
            path of a file or folder that brings its own weights, or a network itself.
        channels: Channels of the images.
        classes: How many classes the images have, or their names.
        image_size: Height and width in pixels.
        options: Its weights, and what is changed in it.

    Returns:
        The network, on the CPU, with an output for each class.

    Raises:
        NormscopeError: If the name is unknown, the network cannot be built, or its weights do not
            fit it.
    """
    library, name, options = _opened(model, options)
    count = classes if isinstance(classes, int) else len(classes)
    if options.weights is None:
        return _fresh(library, name, options, (channels, count, image_size))
    if options.weights == DEFAULT_WEIGHTS:
        if not options.batchnorm:
            raise NormscopeError(
                "--no-batchnorm must be used without --weights default, which hold BatchNorm's, "
                "got both. Train without it, or give a file of weights."
            )
        network = library.pretrained()
    else:
        network = _from_file(library, name, options, (channels, count, image_size))
    if options.new_head:
        replace_head(network, count, channels, image_size, name)
    elif not isinstance(classes, int):
        output = show_one_image(network.eval(), name, channels, image_size)
        said = library.published()
        indices = outputs_for_classes(
            classes, output.shape[-1], said.classes if said else None, name
        )
        network = network if indices is None else SelectedOutputs(network, indices)
    return network.train()


def find_library(name: str) -> Library:
    """What builds the models of a name, without building one.

    Args:
        name: As for ``build_model``.

    Returns:
        The library's model.

    Raises:
        UnknownName: If the name is unknown.
        NormscopeError: If its library is not installed or its factory cannot be imported.
    """
    if name in OWN_MODELS:
        return Factory(name, OWN_MODELS[name])
    if name.startswith(libraries.TIMM):
        from normscope.models.libraries.from_timm import TimmModel

        return TimmModel(name)
    if name.startswith(libraries.HUGGING_FACE):
        return _from_hugging_face(name)
    if names_file(name):
        from normscope.models.files.opening import open_model

        return open_model(name)
    if names_code(name):
        return Factory(name, import_factory(name))
    known = torchvision_names()
    if name not in known:
        check_no_folder(name)
        raise UnknownName("model", name, OWN_MODELS, also=ALSO, similar=known)
    return TorchvisionModel(name)


def _from_hugging_face(name: str) -> Library:
    from normscope.models.libraries.from_hugging_face import HuggingFaceModel

    model = HuggingFaceModel(name)
    if not model.of_timm():
        return model
    from normscope.models.libraries.from_timm import HUB, LOCAL, TimmModel

    repository = name.removeprefix(libraries.HUGGING_FACE)
    return TimmModel(f"{LOCAL if Path(repository).is_dir() else HUB}{repository}")


def published(name: str) -> PretrainedConfig | None:
    """What a model's library says of the weights that it publishes.

    Args:
        name: As for ``build_model``.

    Returns:
        Their normalization and more; None where it publishes none.
    """
    return find_library(name).published()


def check_model(
    name: str,
    *,
    channels: int,
    classes: int | Sequence[str],
    image_size: tuple[int, int],
    options: ModelOptions = PLAIN,
    trains: bool = True,
) -> nn.Module:
    """Build a model once and show it one black image, before any trial depends on it.

    The arguments are those of ``build_model``, and whether it is to be trained.

    Returns:
        The network.

    Raises:
        NormscopeError: If it cannot be built, does not take the images, has no weights to train,
            or gives another number of outputs.
    """
    count = classes if isinstance(classes, int) else len(classes)
    with torch.random.fork_rng(devices=[]):
        model = build_model(
            name, channels=channels, classes=classes, image_size=image_size, options=options
        ).eval()
        output = show_one_image(model, name, channels, image_size)
    met = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
    if met != (1, count):
        raise NormscopeError(
            f"model {name} must give one output for each of the {count} classes, shape "
            f"{(1, count)}, got {met}. Mend the model's last layer."
        )
    if trains and not any(parameter.requires_grad for parameter in model.parameters()):
        raise NormscopeError(f"model {name} must have weights to train, got none. Mend the model.")
    return model


def _opened(
    model: str | Callable[[Any], Any], options: ModelOptions
) -> tuple[Library, str, ModelOptions]:
    """What builds a model, its name, and its options: a file or a network brings its weights."""
    name = name_of(model)
    if isinstance(model, str) and not names_file(model):
        return find_library(model), name, options
    check_no_weights(options.weights, name)
    library = find_library(model) if isinstance(model, str) else GivenModel(model)
    return library, name, replace(options, weights=DEFAULT_WEIGHTS)


def _from_file(
    library: Library, name: str, options: ModelOptions, fitting: tuple[int, int, tuple[int, int]]
) -> nn.Module:
    path = str(options.weights)
    weights = read_weights(path)
    check_unfolded(path)
    channels, classes, image_size = fitting
    model = _fresh(library, name, options, fitting)
    weights = named_as(without_wrapping(model).state_dict(), weights, path)
    if isinstance(library, TorchvisionModel):
        weights = library.for_weights(model, weights)
    outputs = outputs_of(without_wrapping(model), weights, classes)
    if outputs != classes:
        model = _fresh(library, name, options, (channels, outputs, image_size))
        if isinstance(library, TorchvisionModel):
            weights = library.for_weights(model, weights)
    load_weights(without_wrapping(model), weights, path, name)
    return model


def _fresh(
    library: Library, name: str, options: ModelOptions, fitting: tuple[int, int, tuple[int, int]]
) -> nn.Module:
    model = library.build(*fitting)
    if not options.batchnorm:
        leave_out_batchnorm(model, name)
    return model


def show_one_image(model: nn.Module, name: str, channels: int, image_size: tuple[int, int]) -> Any:
    """Run a network on one black image.

    Args:
        model: In evaluation mode.
        name: What it is called in errors.
        channels: Channels of the images.
        image_size: Height and width in pixels.

    Returns:
        What it gives.

    Raises:
        NormscopeError: If it does not take such images.
    """
    shape = (1, channels, *image_size)
    try:
        with torch.inference_mode():
            return model(torch.zeros(shape))
    except (Exception, SystemExit) as error:
        if channels == 1 and _takes(model, (1, 3, *image_size)):
            raise NormscopeError(
                f"model {name} must be given colour images, got grey ones. Use --channels rgb to "
                "give them three equal channels."
            ) from None
        said = (
            f"model {name} must take images of shape {shape}, got {type(error).__name__}: "
            f"{error}. Mend the model, or use images that it takes."
        )
        raise NormscopeError(str(error) if isinstance(error, NormscopeError) else said) from error


def takes_bytes(model: nn.Module, channels: int, image_size: tuple[int, int]) -> bool:
    """Whether a network takes uint8 as it does floats: most stop with an error.

    Args:
        model: In evaluation mode.
        channels: Channels of the images.
        image_size: Height and width in pixels.

    Returns:
        False also of functions and programs, which are always given floats.
    """
    if isinstance(model, CallableNetwork | ProgramNetwork):
        return False
    return _takes(model, (1, channels, *image_size), torch.uint8)


def _takes(model: nn.Module, shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> bool:
    try:
        with torch.inference_mode():
            model(torch.zeros(shape, dtype=dtype))
    except Exception:  # noqa: BLE001 - whatever a stranger's network raises means no
        return False
    return True
