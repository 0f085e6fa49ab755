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
        "which trains nothing; the model's own by default.",
        rich_help_panel="Trial",
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(
        help="Start from this file (safetensors or a state dict), or from the library's default.",
        metavar="FILE|default",
        rich_help_panel="Trial",
    ),
]
NewHead = Annotated[
    bool,
    typer.Option(
        "--new-head",
        help="Replace the last layer by a fresh one for these classes.",
        rich_help_panel="Trial",
    ),
]
NoBatchnorm = Annotated[
    bool,
    typer.Option("--no-batchnorm", help="Leave every BatchNorm out.", rich_help_panel="Trial"),
]
Padding = Annotated[
    str | None,
    typer.Option(
        help="Pad random crops before the normalization (black) or after it (the mean).",
        metavar="before|after",
        rich_help_panel="Trial",
    ),
]
HalfWidth = Annotated[
    float | None,
    typer.Option(
        help="Stop testing a frozen network when its accuracy is known to so much, with 99 % "
        "confidence.",
        rich_help_panel="Trial",
    ),
]
Resize = Annotated[
    int | None,
    typer.Option(
        help="Bring the shorter side to so many pixels, as torchvision does.",
        rich_help_panel="Images",
    ),
]
Crop = Annotated[
    int | None,
    typer.Option(help="Then keep the central square of so many.", rich_help_panel="Images"),
]
Channels = Annotated[
    str | None,
    typer.Option(help="rgb gives a grey source three equal channels.", rich_help_panel="Images"),
]
Epochs = Annotated[
    int | None,
    typer.Option(
        help="In place of the recipe's own (at most 10 on digits).", rich_help_panel="Trial"
    ),
]
TrainImages = Annotated[
    int | None,
    typer.Option(
        help="Train on so many images only, each class in its share.", rich_help_panel="Trial"
    ),
]
WeightInit = Annotated[
    float,
    typer.Option(help="Multiplies the first layer's initial weight.", rich_help_panel="Trial"),
]
BiasInit = Annotated[
    float,
    typer.Option(help="Multiplies the first layer's initial bias.", rich_help_panel="Trial"),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.", rich_help_panel="Machine")]
Precision = Annotated[
    str,
    typer.Option(
        help="auto, fp32 or bf16; auto is bf16 where the processor has instructions for it.",
        rich_help_panel="Machine",
    ),
]
Trainer = Annotated[
    str,
    typer.Option(
        help="fast, plain to check it against, or compiled for a frozen network.",
        rich_help_panel="Machine",
    ),
]
Root = Annotated[
    Path | None,
    typer.Option(
        help="Where named data sets lie; else $NORMSCOPE_DATA, else they are downloaded to the "
        "user's cache.",
        rich_help_panel="Machine",
    ),
]
Threads = Annotated[
    int,
    typer.Option(
        help="CPU threads of each trial; the last digits depend on it.",
        rich_help_panel="Machine",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        help="Trials that run at once; as many as the cores allow by default.",
        rich_help_panel="Machine",
    ),
]
Ray = Annotated[
    str | None,
    typer.Option(
        help="Work on the Ray cluster at this address, such as auto.",
        metavar="ADDRESS",
        rich_help_panel="Machine",
    ),
]
Storage = Annotated[
    str | None,
    typer.Option(
        help="A database that several processes share, such as postgresql://user@host/name; the "
        "study's own folder by default.",
        metavar="URL",
        rich_help_panel="Machine",
    ),
]
StudyName = Annotated[
    str | None,
    typer.Option(
        "--study",
        help="What the study is called in the shared database.",
        metavar="NAME",
        rich_help_panel="Machine",
    ),
]
Strict = Annotated[
    bool,
    typer.Option("--strict", help="Exit 1 if an image cannot be read, in place of skipping it."),
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
