"""What a user chooses of a trial: every option once, with its type, default and help.

The command line, the keywords of ``train``, ``scan`` and ``search``, their docstrings and the
command that a report prints are made of these fields; ``preparation.resolve`` turns them into a
trial.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from normscope.options import (
    BANDS,
    CHANNELS,
    CROP,
    DEVICE,
    MACHINE,
    RESIZE,
    ROOT,
    SCALE,
    SELECT,
    STRICT,
    TRIAL,
    WEIGHTS,
    option,
)

if TYPE_CHECKING:
    from numpy import ndarray

    from normscope.normalization import Normalization


@dataclass(frozen=True)
class TrialOptions:
    """What every trial is chosen to be."""

    source: str | Path = option(
        "digits",
        "digits, mnist, fashion-mnist, cifar10, cifar100, or a folder or .tar with one folder per "
        "class, or with such folders in train/ and val/ or test/.",
        metavar="SOURCE",
        argument=True,
        kept="source",
    )
    _: KW_ONLY
    norm: str | Normalization | None = option(
        None,
        "The normalization (in a study, of what is not varied): MEAN/STD, imagenet, none, half, "
        "clip, mnist, data for the source's own statistics (the default), or model for what the "
        "model's library states.",
    )
    model: str = option(
        "lenet",
        "lenet, lenet-bn, resnet20, a torchvision model, timm/NAME, hf/NAME, "
        "package.module:factory, or with --recipe frozen a model's path.",
        panel=TRIAL,
        kept="model",
        python="lenet, lenet-bn, resnet20, a torchvision model, timm/NAME, hf/NAME, "
        "package.module:factory, or with recipe='frozen' a model's path.",
    )
    recipe: str | None = option(
        None,
        "lenet, lenet-steplr, lenet-article, resnet-scratch, resnet-finetune, or frozen, which "
        "trains nothing; by default the model's own.",
        panel=TRIAL,
    )
    epochs: int | None = option(
        None,
        "Epochs to train; the recipe's own number by default (at most 10 on digits).",
        panel=TRIAL,
        kept="recipe.epochs",
    )
    train_images: int | None = option(
        None,
        "Train on only this many images, with each class in proportion.",
        panel=TRIAL,
        kept="train_images",
    )
    weight_init: float = option(
        1.0,
        "Factor on the first layer's initial weights.",
        panel=TRIAL,
        kept="init_scale.weight",
    )
    bias_init: float = option(
        1.0, "Factor on the first layer's initial biases.", panel=TRIAL, kept="init_scale.bias"
    )
    weights: str | Path | None = option(None, WEIGHTS)
    new_head: bool = option(
        False,
        "Replace the last layer with a new one for these classes.",
        panel=TRIAL,
        kept="options.new_head",
    )
    batchnorm: bool = option(
        True,
        "Remove every BatchNorm.",
        panel=TRIAL,
        flag="--no-batchnorm",
        kept="options.batchnorm",
    )
    padding: str | None = option(
        None,
        "Pad random crops before normalizing (black border) or after (the mean's colour).",
        panel=TRIAL,
        metavar="before|after",
        kept="recipe.padding",
    )
    half_width: float | None = option(
        None,
        "Stop testing a frozen network once its accuracy is known to within this much, with 99 % "
        "confidence.",
        panel=TRIAL,
        kept="half_width",
    )
    device: str = option("auto", DEVICE)
    precision: str = option(
        "auto",
        "auto, fp32 or bf16; auto means bf16 where the processor supports it.",
        panel=MACHINE,
        kept="precision",
    )
    trainer: str = option(
        "fast",
        "fast; plain, the slow reference; or compiled, for a frozen network.",
        panel=MACHINE,
        kept="trainer",
    )
    threads: int | None = option(
        None,
        "CPU threads per trial: 1, but all cores for a single trial and for a scan that trains "
        "nothing. The last digits depend on it.",
        panel=MACHINE,
        kept="threads",
    )
    root: Path | str | None = option(None, ROOT)
    resize: str | int | tuple[int, int] | None = option(None, RESIZE)
    crop: int | None = option(None, CROP)
    channels: str | None = option(None, CHANNELS)
    scale: float | None = option(None, SCALE)
    select: str | None = option(None, SELECT)
    bands: str | None = option(None, BANDS)
    strict: bool = option(False, STRICT)


@dataclass(frozen=True, kw_only=True)
class TrainOptions(TrialOptions):
    """What a single trial is chosen to be."""

    mean: str | float | Sequence[float] | ndarray | None = option(
        None,
        "One number, or one per channel with commas.",
        python="One number, or one per channel: a list, an array, or a string with commas.",
    )
    std: str | float | Sequence[float] | ndarray | None = option(None, "The same, each above 0.")
    seed: int = option(0, "Fixes everything that is drawn at random.", panel=TRIAL, kept="seed")
