"""The network of a trial, with the split of its images into batches that it can train on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

from normscope.errors import NormscopeError
from normscope.images.frames import COLOURS
from normscope.init_scale import InitScale
from normscope.machine.cores import threads
from normscope.models.batchnorm import has_batchnorm
from normscope.models.building import build_model, check_model
from normscope.models.expected import takes_blue_first
from normscope.models.files.naming import names_file, names_program
from normscope.models.first_layer import find_first_layer, scale_first_layer
from normscope.models.importing import names_code
from normscope.trials.outline import check_weights_fit, outlined

if TYPE_CHECKING:
    from torch import Tensor

    from normscope.images.decoded import DecodedSource
    from normscope.models.options import ModelOptions
    from normscope.trials.recipe import Recipe
    from normscope.trials.spec import TrialSpec


def build_network(spec: TrialSpec, source: DecodedSource) -> tuple[nn.Module, nn.Module]:
    """Build a trial's network with its first layer scaled.

    It takes red first, also where its weights were trained on blue, green, red.
    A program's first layer cannot be reached; the identity, which has no numbers, stands for it.

    Returns:
        The network and its first layer.

    Raises:
        NormscopeError: If a program's first layer is to be scaled.
    """
    model = build_model(spec.model, options=spec.options, **_shape(source))
    if spec.options.has_weights and source.channels == COLOURS and takes_blue_first(spec.model):
        model.register_forward_pre_hook(_blue_first)
    if names_program(spec.model):
        if spec.init_scale != InitScale():
            raise NormscopeError(
                f"--weight-init and --bias-init must be used with a network of layers, got "
                f"{spec.model}, a finished program. Leave them out."
            )
        return model, nn.Identity()
    first_layer = find_first_layer(model, source.channels, source.image_size)
    scale_first_layer(first_layer, spec.init_scale)
    return model, first_layer


def _blue_first(_: nn.Module, images: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (images[0].flip(1),)


def check_network(model: str, options: ModelOptions, recipe: Recipe, source: DecodedSource) -> None:
    """Refuse a network that cannot do what is asked of it, before any trial depends on it.

    Raises:
        NormscopeError: If it cannot be built or does not fit the images or the memory, if a frozen
            one has no weights, or if one with BatchNorm has fewer training images than a batch.
    """
    fresh = options.weights is None and not names_code(model) and not names_file(model)
    if recipe.trains and names_program(model):
        raise NormscopeError(
            f"--recipe {recipe.name} must be used with a network that can be trained, got {model}, "
            "a finished program. Use --recipe frozen, or give the network that it was exported "
            "from."
        )
    if not recipe.trains and (fresh or options.new_head):
        raise NormscopeError(
            "--recipe frozen must be used with trained weights, got a network that starts "
            "afresh. Give --weights, and no --new-head."
        )
    outline = outlined(model, options, _shape(source))
    check_weights_fit(outline, model, source.image_size)
    # In one thread: a process in which OpenMP has started others cannot be forked.
    with threads(1):
        network = check_model(model, options=options, trains=recipe.trains, **_shape(source))
    if recipe.trains and has_batchnorm(network) and len(source.train) < recipe.batch_size:
        raise NormscopeError(
            f"a network with BatchNorm must have at least a whole batch of {recipe.batch_size} "
            f"training images, got {len(source.train)}. Add images, or use --no-batchnorm."
        )


def _shape(source: DecodedSource) -> dict[str, Any]:
    names = ("channels", "classes", "image_size")
    return {name: getattr(source, name) for name in names}


def training_batches(indices: Tensor, size: int, model: nn.Module) -> list[Tensor]:
    """Indices in batches; the last may be smaller.

    A BatchNorm cannot normalize a single value, so that with one the last image alone joins the
    batch before it.

    Returns:
        The batches.
    """
    batches = list(indices.split(size))
    if len(batches) > 1 and len(batches[-1]) == 1 and has_batchnorm(model):
        return [*batches[:-2], indices[(len(batches) - 2) * size :]]
    return batches
