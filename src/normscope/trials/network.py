"""The network of a trial, with the split of its images into batches that it can train on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from normscope.errors import NormscopeError
from normscope.models.batchnorm import has_batchnorm
from normscope.models.building import build_model, check_model
from normscope.models.first_layer import find_first_layer, scale_first_layer

if TYPE_CHECKING:
    from torch import Tensor, nn

    from normscope.images.decoded import DecodedSource
    from normscope.models.options import ModelOptions
    from normscope.trials.recipe import Recipe
    from normscope.trials.spec import TrialSpec


def build_network(spec: TrialSpec, source: DecodedSource) -> tuple[nn.Module, nn.Module]:
    """Build a trial's network with its first layer scaled."""
    model = build_model(spec.model, options=spec.options, **_shape(source))
    first_layer = find_first_layer(model, source.channels, source.image_size)
    scale_first_layer(first_layer, spec.init_scale)
    return model, first_layer


def check_network(model: str, options: ModelOptions, recipe: Recipe, source: DecodedSource) -> None:
    """Refuse a network that cannot do what is asked of it, before any trial depends on it.

    Raises:
        NormscopeError: If it cannot be built or does not fit the images, if a frozen one has no
            weights, or if one with BatchNorm has fewer training images than a batch.
    """
    if not recipe.trains and ((options.weights is None and ":" not in model) or options.new_head):
        raise NormscopeError(
            "--recipe frozen must be used with trained weights, got a network that starts "
            "afresh. Give --weights, and no --new-head."
        )
    network = check_model(model, options=options, **_shape(source))
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
