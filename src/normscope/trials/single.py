"""One trial from a user's words: what ``normscope train`` does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from normscope.errors import NormscopeError, UnknownName
from normscope.init_scale import InitScale
from normscope.normalization import NONE, PRESETS, Normalization
from normscope.trials.environment import available_cores
from normscope.trials.precision import resolve_precision, resolve_trainer
from normscope.trials.preparation import (
    check_skipped,
    prepare_source,
    resolve_device,
)
from normscope.trials.recipe import named_recipe
from normscope.trials.result import FinishedTrial
from normscope.trials.spec import TrialSpec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from normscope.images.decoded import Skipped
    from normscope.trials.result import Epoch


def train(
    source: str = "digits",
    *,
    norm: str | Normalization = "data",
    model: str = "lenet",
    recipe: str | None = None,
    epochs: int | None = None,
    train_images: int | None = None,
    weight_init: float = 1.0,
    bias_init: float = 1.0,
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
    trainer: str = "fast",
    threads: int | None = None,
    root: Path | None = None,
    strict: bool = False,
    on_skipped: Callable[[tuple[Skipped, ...]], None] | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> FinishedTrial:
    """Train one model under one normalization and test it.

    Args:
        source: A name such as ``"mnist"``, or a folder of images.
        norm: A normalization, its ``MEAN/STD`` form, a preset's name, or ``"data"`` for the
            statistics of the source's training and validation images.
        model: ``"lenet"`` or ``"package.module:factory"``.
        recipe: A recipe's name; the model's own by default.
        epochs: Replaces the recipe's number of epochs.
        train_images: Train on so many images only, each class in its share.
        weight_init: Multiplies the first layer's initial weight.
        bias_init: Multiplies the first layer's initial bias.
        seed: Fixes the initialization, the order of the images and the dropout.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
        precision: ``"auto"``, ``"fp32"`` or ``"bf16"``.
        trainer: ``"fast"``, or ``"plain"`` to check it against.
        threads: CPU threads; all cores by default. The result depends on their number.
        root: Where named data sets are looked for first.
        strict: Whether an image that cannot be read is an error.
        on_skipped: Called with the images that could not be read, before training.
        on_epoch: Called at the end of every epoch.

    Returns:
        The trial's full specification with what it gave.
    """
    from normscope.models.building import check_model
    from normscope.trials.running import run_trial

    device, trainer = resolve_device(device), resolve_trainer(trainer)
    chosen = named_recipe(recipe, model, epochs, source)
    if norm != "data":
        resolve_normalization(norm, NONE)  # a wrong one is said before any image is opened
    prepared = prepare_source(source, root, chosen, train_images)
    check_skipped(prepared.source, strict)
    if on_skipped:
        on_skipped(prepared.source.skipped)
    check_model(
        model,
        channels=prepared.source.channels,
        classes=len(prepared.source.classes),
        image_size=prepared.source.image_size,
    )
    spec = TrialSpec(
        source=source,
        fingerprint=prepared.fingerprint,
        train_images=train_images,
        model=model,
        recipe=chosen,
        normalization=resolve_normalization(norm, prepared.data),
        init_scale=InitScale(weight_init, bias_init),
        seed=seed,
        device=device,
        threads=available_cores() if threads is None else threads,
        precision=resolve_precision(precision, device, trainer),
        trainer=trainer,
    )
    return FinishedTrial(spec, run_trial(spec, prepared.source, on_epoch))


def resolve_normalization(norm: str | Normalization, data: Normalization) -> Normalization:
    """The normalization that a user's words stand for.

    Args:
        norm: A normalization, its ``MEAN/STD`` form, a preset's name, or ``"data"``.
        data: What ``"data"`` stands for.

    Returns:
        The normalization.

    Raises:
        UnknownName: If it is no name and has no slash.
        NormscopeError: If its values cannot be read, or are out of range.
    """
    if isinstance(norm, Normalization):
        return norm
    if norm == "data":
        return data
    if "/" not in norm and norm not in PRESETS:
        raise UnknownName("--norm", norm, ["data", *PRESETS], also="MEAN/STD")
    return Normalization.parse(norm)


def normalization_text(mean: str | None, std: str | None, norm: str | None) -> str:
    """What ``--mean``, ``--std`` and ``--norm`` say together.

    Args:
        mean: One number, or one per channel with commas.
        std: Likewise.
        norm: A normalization or its name; excludes the other two.

    Returns:
        The ``MEAN/STD`` form or a name; ``"data"`` where nothing is given.

    Raises:
        NormscopeError: If the three do not say one thing.
    """
    if mean is None and std is None:
        return "data" if norm is None else norm
    if norm is not None:
        raise NormscopeError(
            "a normalization must be given once, got --norm and also --mean or --std. "
            "Leave one of them out."
        )
    if mean is None or std is None:
        given, missing = ("--std", "--mean") if mean is None else ("--mean", "--std")
        raise NormscopeError(
            f"--mean and --std must be given together, got {given} alone. Add {missing}."
        )
    return f"{mean}/{std}"
