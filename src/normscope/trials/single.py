"""One trial from a user's words: what ``normscope train`` does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from normscope.errors import NormscopeError
from normscope.images.transform import ImageTransform
from normscope.init_scale import InitScale
from normscope.machine.cores import available_cores
from normscope.machine.device import resolve_device, resolve_precision
from normscope.models.expected import resolve_normalization
from normscope.normalization import NONE, Normalization
from normscope.trials.preparation import check_skipped, model_options, prepare_source
from normscope.trials.recipe import named_recipe
from normscope.trials.result import FinishedTrial
from normscope.trials.spec import TrialSpec, check_half_width
from normscope.trials.trainer import resolve_trainer

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
    weights: str | Path | None = None,
    new_head: bool = False,
    batchnorm: bool = True,
    resize: int | None = None,
    crop: int | None = None,
    channels: str | None = None,
    padding: str | None = None,
    half_width: float | None = None,
    on_skipped: Callable[[tuple[Skipped, ...]], None] | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> FinishedTrial:
    """Train one model under one normalization and test it.

    Args:
        source: A name such as ``"mnist"``, or a folder of images.
        norm: A normalization, its ``MEAN/STD`` form, a preset's name, ``"data"`` for the
            statistics of the source's training and validation images, or ``"model"`` for what the
            model's library says its weights expect.
        model: ``"lenet"``, ``"lenet-bn"``, ``"resnet20"``, a torchvision name, ``"timm/NAME"``,
            ``"hf/NAME"`` or ``"package.module:factory"``.
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
        weights: A file of weights to start from, or ``"default"`` for the library's own.
        new_head: Whether the last layer is replaced by a fresh one for the source's classes.
        batchnorm: False to leave every BatchNorm out.
        resize: Bring the shorter side of every image to so many pixels.
        crop: Then keep the central square of so many.
        channels: ``"rgb"`` gives a grey source three equal channels.
        padding: Whether random crops are padded ``"before"`` the normalization or ``"after"`` it.
        half_width: Stop testing a frozen network when its accuracy is known this well.
        on_skipped: Called with the images that could not be read, before training.
        on_epoch: Called at the end of every epoch.

    Returns:
        The trial's full specification with what it gave.
    """
    from normscope.trials.network import check_network
    from normscope.trials.running import run_trial

    device = resolve_device(device)
    options = model_options(weights, new_head=new_head, batchnorm=batchnorm)
    chosen = named_recipe(recipe, model, epochs, source, weights=options.weights, padding=padding)
    trainer = resolve_trainer(trainer, trains=chosen.trains)
    images = ImageTransform(resize, crop, channels)
    check_half_width(half_width, chosen)
    if norm != "data":
        # A wrong one is said before any image is opened.
        norm = resolve_normalization(norm, NONE, model)
    prepared = prepare_source(source, root, chosen, train_images, images)
    check_skipped(prepared.source, strict)
    if on_skipped:
        on_skipped(prepared.source.skipped)
    check_network(model, options, chosen, prepared.source)
    spec = TrialSpec(
        source=source,
        fingerprint=prepared.fingerprint,
        train_images=train_images,
        model=model,
        recipe=chosen,
        normalization=resolve_normalization(norm, prepared.data, model),
        init_scale=InitScale(weight_init, bias_init),
        seed=seed,
        device=device,
        threads=available_cores() if threads is None else threads,
        precision=resolve_precision(precision, device, trainer, trains=chosen.trains),
        trainer=trainer,
        options=options,
        images=images,
        half_width=half_width,
    )
    return FinishedTrial(spec, run_trial(spec, prepared.source, on_epoch))


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
