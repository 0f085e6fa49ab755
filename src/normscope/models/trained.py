"""A network with its trained weights, whose channels they decide where nobody says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from normscope.errors import NormscopeError, WorkFailed
from normscope.images.luma import check_channels
from normscope.models.building import build_model, find_library, show_one_image
from normscope.models.files.naming import names_file
from normscope.models.first_layer import channels_of_weights, channels_taken
from normscope.models.given import name_of
from normscope.models.importing import names_code
from normscope.models.libraries.own import OWN_MODELS
from normscope.models.options import DEFAULT_WEIGHTS, ModelOptions
from normscope.models.weights import read_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from torch import nn

OUTPUTS = 1000
"""What a network is built with where neither its weights nor its library say otherwise."""


def build_trained(
    model: str | Callable[[Any], Any],
    weights: str | None,
    *,
    normalized_channels: int,
    channels: int | None,
    image_size: tuple[int, int],
    classes: int | Sequence[str] = OUTPUTS,
    met: int = 1,
) -> tuple[nn.Module, int]:
    """Build a network to use it, not to train it.

    A normalization of one channel may stand for any number: then the weights decide.

    Args:
        model: As ``build_model`` takes it.
        weights: A file of weights, ``"default"``, or None for a factory that loads its own.
        normalized_channels: How many channels the model's normalization has.
        channels: How many channels the images have, where the user says so.
        image_size: Height and width of the images in pixels.
        classes: How many outputs there are, or the names of those that are wanted.
        met: How many channels the images are met with.

    Returns:
        The network in evaluation mode, and its channels.

    Raises:
        NormscopeError: If it has no weights, cannot be built or does not take the images, or if the
            weights do not fit.
        WorkFailed: If they cannot be fetched.
    """
    name = name_of(model)
    if isinstance(model, str):
        check_weights_given(model, weights)

    taken: list[int | None] = []

    def fresh(count: int) -> nn.Module:
        options = ModelOptions(weights=weights)
        network = build_model(
            model, channels=count, classes=classes, image_size=image_size, options=options
        ).eval()
        taken.append(channels_taken(network))
        return network

    def shown(network: nn.Module, count: int) -> object:
        return show_one_image(network, name, count, image_size)

    def built(count: int) -> tuple[nn.Module, int]:
        return _first_that_fits([count], fresh, shown)

    asked = channels or (normalized_channels if normalized_channels > 1 else None)
    if asked:
        try:
            return built(asked)
        except WorkFailed:  # no other number of channels brings the weights
            raise
        except NormscopeError:
            if channels or not _works(built, 1):
                raise
        raise NormscopeError(
            f"a normalization of {asked} channels must be for a network that takes as many, got "
            f"{name}, which takes 1. Give MEAN/STD of one number each."
        )

    def counts() -> Iterator[int]:
        usual = [met] * (met not in {1, 3}) + [3, 1]
        yield from usual
        # Bands of other numbers, by what is built whatever is asked for, or by the file.
        found = taken or [_channels_in(weights)]
        yield from {count for count in found if count} - set(usual)

    return _first_that_fits(counts(), fresh, shown)


def _channels_in(weights: str | None) -> int | None:
    if weights in {None, DEFAULT_WEIGHTS}:
        return None
    return channels_of_weights(read_weights(str(weights)))


def _first_that_fits(
    counts: Iterable[int],
    fresh: Callable[[int], nn.Module],
    shown: Callable[[nn.Module, int], object],
) -> tuple[nn.Module, int]:
    unbuilt, unfit = [], []
    for count in counts:
        try:
            network = fresh(count)
        except WorkFailed:  # as where weights cannot be downloaded, which says nothing of channels
            raise
        except NormscopeError as error:
            unbuilt.append(error)
            continue
        try:
            shown(network, count)
        except NormscopeError as error:
            unfit.append(error)
        else:
            return network, count
    # Of a network that is built the images' size may be what does not fit.
    raise [*unfit, *unbuilt[::-1]][0]


def _works(built: Callable[[int], object], channels: int) -> bool:
    try:
        built(channels)
    except NormscopeError:
        return False
    return True


def check_weights_given(name: str, weights: object) -> None:
    """Refuse a model without weights, unless it is a factory or a file, which has its own."""
    if weights is None and not names_code(name) and not names_file(name):
        if Path(name).is_dir():
            find_library(name)  # says what is wrong with a folder that is no model's
        default = "" if name in OWN_MODELS else ", or --weights default"
        raise NormscopeError(
            f"{name} must be given its weights, got none. Pass --weights FILE{default}."
        )


def channel_count(channels: str | None) -> int | None:
    """How many channels ``--channels`` stands for.

    Args:
        channels: ``rgb``, ``grey``, or None.

    Returns:
        3, 1, or None.

    Raises:
        NormscopeError: If it is something else.
    """
    check_channels(channels)
    return None if channels is None else {"rgb": 3, "grey": 1}[channels]
