"""How the published experiments are run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from normscope.article.agreement import Row

QUICK = {"seeds": 2, "epochs": 1, "train_images": 2000, "grid": 5, "trials": 20, "quick": True}
"""What ``--quick`` shrinks."""


@dataclass(frozen=True)
class Setting:
    """How the experiments are run.

    Attributes:
        source: The images in MNIST's place.
        seeds: Replicates; the study has one.
        epochs: Of LeNet's trainings.
        train_images: How many are trained on; None for all.
        grid: Cells along each axis of the grid.
        trials: Of each search.
        quick: Whether this is the shrunk version.
        images: ImageNet's validation images, or what stands in for them.
        model: The trained network.
        weights: Its weights.
        workers: Trials at once.
        root: Where named data sets lie.
        out: Where results are kept.
    """

    source: str = "mnist"
    seeds: int = 3
    epochs: int = 30
    train_images: int | None = None
    grid: int = 15
    trials: int = 200
    quick: bool = False
    images: str = "imagenet"
    model: str = "resnet18"
    weights: str = "default"
    workers: int | None = None
    root: Path | None = None
    out: Path = field(default_factory=lambda: Path("runs") / "article")

    @property
    def shrunk(self) -> bool:
        """Whether accuracies cannot be compared with the published ones."""
        return self.quick or self.source != "mnist" or self.epochs != 30

    @property
    def stands_in(self) -> bool:
        """Whether another network or other images stand in for ResNet-18 on ImageNet."""
        return self.model != "resnet18" or self.images != "imagenet"


Figures = dict[str, float]
"""PublishedExperiment figures by label."""

Measured = tuple[list[Row], list[str]]
"""Figures side by side, and what has to be known beside them."""

Runner = Callable[[Figures, Setting], Measured]
