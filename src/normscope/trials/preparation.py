"""What a trial needs before it can run: its images split, their statistics, and its device."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from normscope.arguments import for_caller
from normscope.errors import NormscopeError
from normscope.images.decoded import check_all_read
from normscope.images.opening import open_source
from normscope.images.splits import with_train_images, with_validation
from normscope.images.transform import UNCHANGED, ImageTransform
from normscope.init_scale import InitScale
from normscope.machine.cores import available_cores
from normscope.machine.device import resolve_device, resolve_precision
from normscope.models.expected import resolve_normalization, warn_of_larger
from normscope.models.files.naming import names_program
from normscope.normalization import NONE, Normalization
from normscope.options import chosen
from normscope.statistics.fill_values import fill_values
from normscope.statistics.moments import Moments
from normscope.statistics.notes import unused_bits
from normscope.trials.chosen_model import model_options
from normscope.trials.network import check_network
from normscope.trials.recipe import named_recipe
from normscope.trials.spec import TrialSpec, check_half_width
from normscope.trials.trainer import resolve_trainer, scanning_trainer
from normscope.wording import percent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from normscope.images.decoded import DecodedSource, LabelledImages
    from normscope.trials.options import TrialOptions
    from normscope.trials.recipe import Recipe


AT_ONCE = 1024
"""Images whose wide pixels are summed at a time: little memory."""

GIVE_OTHERS = "give these pixels another value in the files, such as the mean of the others"


@dataclass(frozen=True)
class PreparedTrial:
    """A trial that can run.

    Attributes:
        trial: What it is, under the normalization that was chosen.
        source: Its images, split.
        data: The source's own statistics.
    """

    trial: TrialSpec
    source: DecodedSource
    data: Normalization


def resolve(
    options: TrialOptions,
    *,
    usual_threads: int | None = None,
    cells: int = 0,
    on_image: Callable[[int, int], None] | None = None,
    on_source: Callable[[DecodedSource], None] | None = None,
) -> PreparedTrial:
    """Make a trial of what a user chose: the one place where choices meet their defaults.

    Args:
        options: What the user chose.
        usual_threads: Threads where nothing is said; by default one, or all cores where nothing is
            trained.
        cells: How many trials test one frozen network; 0 for a single trial.
        on_image: Called with how many images are decoded and how many there are.
        on_source: Called with the images, before the network is built.

    Returns:
        The trial with its images; its network has been built once.
    """
    device = resolve_device(options.device)
    model = model_options(options.model, **chosen(options, "options"))
    recipe = chosen_recipe(options)
    trainer = resolve_trainer(options.trainer, trains=recipe.trains)
    images = ImageTransform(**chosen(options, "images"))
    check_half_width(options.half_width, recipe)
    norm = "data" if options.norm is None else options.norm
    if norm != "data":
        # A wrong one is said before any image is opened.
        norm = resolve_normalization(norm, NONE, options.model)
    root = None if options.root is None else Path(options.root)
    prepared = prepare_source(
        str(options.source), root, recipe, options.train_images, images, on_image
    )
    if isinstance(norm, Normalization) and prepared.source.scale > 1:
        warn_of_larger(norm)
    check_all_read(prepared.source.name, prepared.source.skipped, options.strict)
    if on_source:
        on_source(prepared.source)
    check_network(options.model, model, recipe, prepared.source)
    if not recipe.trains and not names_program(options.model):
        trainer = scanning_trainer(trainer, device, cells * len(prepared.source.test))
    threads = usual_threads or (1 if recipe.trains else available_cores())
    resolved = {
        "fingerprint": prepared.fingerprint,
        "recipe": recipe,
        "normalization": resolve_normalization(norm, prepared.data, options.model),
        "init_scale": InitScale(**chosen(options, "init_scale")),
        "device": device,
        "threads": threads if options.threads is None else options.threads,
        "precision": resolve_precision(options.precision, device, trainer, trains=recipe.trains),
        "trainer": trainer,
        "options": model,
        "images": images,
    }
    trial = TrialSpec(**{**chosen(options), **resolved})
    return PreparedTrial(trial, prepared.source, prepared.data)


def chosen_recipe(options: TrialOptions) -> Recipe:
    """The recipe that a user chose, with what else was said of it."""
    return named_recipe(
        options.recipe,
        options.model,
        source=str(options.source),
        weights=None if options.weights is None else str(options.weights),
        **chosen(options, "recipe"),
    )


@dataclass(frozen=True)
class PreparedSource:
    """A source as its trials see it.

    Attributes:
        source: With the splits that the recipe needs.
        fingerprint: Digest of the whole source, before any split was drawn.
        data: The statistics of its training and validation images, or of its test images where
            nothing is trained and there are none.
    """

    source: DecodedSource
    fingerprint: str
    data: Normalization


def prepare_source(
    name: str,
    root: Path | None,
    recipe: Recipe,
    train_images: int | None,
    transform: ImageTransform = UNCHANGED,
    on_image: Callable[[int, int], None] | None = None,
) -> PreparedSource:
    """Open a source and split it as a recipe needs it.

    Args:
        name: What the user named it.
        root: Where named data sets are looked for first.
        recipe: Says whether images are held back for validation.
        train_images: How many training images to keep; None keeps all.
        transform: What is done to each image.
        on_image: Called with how many images are decoded and how many there are.

    Returns:
        The source, split, with its statistics.

    Raises:
        NormscopeError: If the recipe trains and there is one class alone.
    """
    whole = open_source(name, root, transform, train=recipe.trains, on_image=on_image)
    if recipe.trains and len(whole.classes) == 1:
        raise NormscopeError(
            f"{name} must have at least 2 classes to train on, got 1 ({whole.classes[0]}), which "
            "every network gets right. Add another class's folder."
        )
    split = with_validation(whole) if recipe.selection == "validation" else whole
    described = [images for images in (whole.train, whole.validation) if images]
    described = described or [whole.test]
    moments = reduce(Moments.merge, [_moments(images) for images in described])
    sentences = _no_measurements(described, moments)
    if transform.scale is None:
        sentences += filter(None, [unused_bits(moments, whole.scale)])
    for sentence in sentences:
        warnings.warn(f"{name}: {for_caller(sentence)}", RuntimeWarning, stacklevel=2)
    return PreparedSource(
        source=with_train_images(split, train_images),
        fingerprint=whole.fingerprint(),
        data=Normalization(moments.mean(whole.scale), moments.std(whole.scale)),
    )


def _no_measurements(described: Sequence[LabelledImages], moments: Moments) -> list[str]:
    """What a network is shown that was never measured: of bytes it is within their range."""
    if np.dtype(moments.dtype).itemsize == 1:
        return []
    held = sum(len(images) * math.prod(images.held.shape[2:]) for images in described)
    left_out = 1 - min(moments.n) / held
    sentences = [
        f"{fill.met}. If that means no data, mean and std count it and the network is shown it: "
        f"{GIVE_OTHERS}."
        for fill in fill_values(moments)
    ]
    if left_out:
        sentences.append(
            f"{percent(left_out)} of the pixels do not count (nodata or transparent). Mean and "
            f"std leave them out, but the network is shown what the files hold: {GIVE_OTHERS}."
        )
    return sentences


def _moments(images: LabelledImages) -> Moments:
    if images.stored is not None and images.stored.histogram is not None:
        return Moments.from_histogram(images.stored.histogram, images.held.dtype)
    parts = (
        images.take(np.arange(i, min(i + AT_ONCE, len(images))))
        for i in range(0, len(images), AT_ONCE)
    )
    return reduce(Moments.merge, (Moments.of(part.pixels) for part in parts))
