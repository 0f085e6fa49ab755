"""The options that several commands share, each with its one help text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Source = Annotated[
    str,
    typer.Argument(
        help="digits, mnist, fashion-mnist, cifar10, cifar100, or a folder with train/ and val/ "
        "or test/, each with one folder per class.",
        metavar="SOURCE",
    ),
]
Model = Annotated[
    str, typer.Option(help="lenet, or package.module:factory.", rich_help_panel="Trial")
]
RecipeName = Annotated[
    str | None,
    typer.Option(
        help="lenet, lenet-steplr or lenet-article; the model's own by default.",
        rich_help_panel="Trial",
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(help="In place of the recipe's 30 (10 on digits).", rich_help_panel="Trial"),
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
    typer.Option(help="fast, or plain to check it against.", rich_help_panel="Machine"),
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
        metavar="FILE",
    ),
]
