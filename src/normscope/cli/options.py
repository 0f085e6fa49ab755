"""The options that several commands share, each with its one help text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from normscope.errors import NormscopeError


def _json_target(target: str | None) -> str | None:
    """Refuse a place where nothing can be written before hours of work end there."""
    if target in {None, "-"}:
        return target
    path = Path(str(target))
    if path.is_dir():
        raise NormscopeError(
            f"--json must name a file, got the folder {path}. Name a file in it, or '-'."
        )
    if not path.parent.is_dir():
        raise NormscopeError(
            f"--json must lie in an existing folder, got {path}. Make {path.parent} first."
        )
    return target


Source = Annotated[
    str,
    typer.Argument(
        help="digits, mnist, fashion-mnist, cifar10, cifar100, or a folder or .tar with train/ "
        "and val/ or test/, each with one folder per class.",
        metavar="SOURCE",
    ),
]
Model = Annotated[
    str,
    typer.Option(
        help="lenet, lenet-bn, resnet20, a torchvision model, timm/NAME, hf/NAME, or "
        "package.module:factory.",
        rich_help_panel="Trial",
    ),
]
ModelArgument = Annotated[
    str,
    typer.Argument(
        help="lenet, lenet-bn, resnet20, a torchvision classification model, timm/NAME, hf/NAME or "
        "package.module:factory.",
        metavar="MODEL",
    ),
]
RecipeName = Annotated[
    str | None,
    typer.Option(
        help="lenet, lenet-steplr, lenet-article, resnet-scratch, resnet-finetune, or frozen, "
        "which trains nothing; by default the model's own.",
        rich_help_panel="Trial",
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(
        help="Start from this file (safetensors or a state dict) or from the library's default.",
        metavar="FILE|default",
        rich_help_panel="Trial",
    ),
]
NewHead = Annotated[
    bool,
    typer.Option(
        "--new-head",
        help="Replace the last layer with a new one for these classes.",
        rich_help_panel="Trial",
    ),
]
NoBatchnorm = Annotated[
    bool,
    typer.Option("--no-batchnorm", help="Remove every BatchNorm.", rich_help_panel="Trial"),
]
Padding = Annotated[
    str | None,
    typer.Option(
        help="Pad random crops before normalizing (black border) or after (the mean's colour).",
        metavar="before|after",
        rich_help_panel="Trial",
    ),
]
HalfWidth = Annotated[
    float | None,
    typer.Option(
        help="Stop testing a frozen network once its accuracy is known to within this much, with "
        "99 % confidence.",
        rich_help_panel="Trial",
    ),
]
Resize = Annotated[
    int | None,
    typer.Option(
        help="Resize the shorter side to this many pixels, as torchvision does.",
        rich_help_panel="Images",
    ),
]
Crop = Annotated[
    int | None,
    typer.Option(
        help="Then keep the central square of this many pixels.", rich_help_panel="Images"
    ),
]
Channels = Annotated[
    str | None,
    typer.Option(help="rgb: give grey images three equal channels.", rich_help_panel="Images"),
]
Epochs = Annotated[
    int | None,
    typer.Option(
        help="Epochs to train; the recipe's own number by default (at most 10 on digits).",
        rich_help_panel="Trial",
    ),
]
TrainImages = Annotated[
    int | None,
    typer.Option(
        help="Train on only this many images, with each class in proportion.",
        rich_help_panel="Trial",
    ),
]
WeightInit = Annotated[
    float,
    typer.Option(help="Factor on the first layer's initial weights.", rich_help_panel="Trial"),
]
BiasInit = Annotated[
    float,
    typer.Option(help="Factor on the first layer's initial biases.", rich_help_panel="Trial"),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.", rich_help_panel="Machine")]
Precision = Annotated[
    str,
    typer.Option(
        help="auto, fp32 or bf16; auto means bf16 where the processor supports it.",
        rich_help_panel="Machine",
    ),
]
Trainer = Annotated[
    str,
    typer.Option(
        help="fast; plain, the slow reference; or compiled, for a frozen network.",
        rich_help_panel="Machine",
    ),
]
Root = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the named data sets; otherwise $NORMSCOPE_DATA, otherwise they are "
        "downloaded to the user cache.",
        rich_help_panel="Machine",
    ),
]
Threads = Annotated[
    int,
    typer.Option(
        help="CPU threads per trial; the last digits depend on it.",
        rich_help_panel="Machine",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        help="Trials to run at once; by default as many as the cores allow.",
        rich_help_panel="Machine",
    ),
]
Ray = Annotated[
    str | None,
    typer.Option(
        help="Run on the Ray cluster at this address, such as auto.",
        metavar="ADDRESS",
        rich_help_panel="Machine",
    ),
]
Storage = Annotated[
    str | None,
    typer.Option(
        help="A database that several processes share, such as postgresql://user@host/name; by "
        "default the study's own folder.",
        metavar="URL",
        rich_help_panel="Machine",
    ),
]
StudyName = Annotated[
    str | None,
    typer.Option(
        "--study",
        help="The study's name in the shared database.",
        metavar="NAME",
        rich_help_panel="Machine",
    ),
]
Strict = Annotated[
    bool,
    typer.Option("--strict", help="Exit 1 if an image cannot be read, instead of skipping it."),
]
Json = Annotated[
    str | None,
    typer.Option(
        "--json",
        help="Write the result as JSON to this file, or to standard output with '-'.",
        callback=_json_target,
        metavar="FILE",
    ),
]
