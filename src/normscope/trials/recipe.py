"""How a model is trained, as plain data, and the recipes known by name."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

from normscope.errors import NormscopeError, UnknownName
from normscope.wording import check_at_least

Schedule = Literal["plateau", "step", "cosine", "none"]
Padding = Literal["before", "after"]
Selection = Literal["validation", "test"]


SGD_MOMENTUM = 0.9


@dataclass(frozen=True)
class Recipe:
    """How a model is trained.

    Attributes:
        name: What it is called.
        epochs: Passes over the training images.
        batch_size: Images in a step; the last batch of an epoch may be smaller.
        optimizer: ``"adadelta"``, or ``"sgd"`` with momentum 0.9; ``"none"`` where nothing is
            trained.
        lr: Initial learning rate.
        schedule: ``"plateau"`` divides the rate by 10 when the accuracy that ``selection`` names
            has not risen for 10 epochs (``ReduceLROnPlateau("max")``); ``"step"`` multiplies it
            by 0.7 after every epoch (``StepLR``); ``"cosine"`` lets it fall along half a cosine, to
            nothing after the last epoch (``CosineAnnealingLR``).
        shuffle: Whether the order of the images is drawn anew for every epoch.
        selection: The split that the schedule looks at. ``"test"`` is the notebook's own protocol:
            it trains on every training image, holds none back, and tests after every epoch.
        weight_decay: What is added to a gradient, as a share of its weight.
        augment: Whether training images are padded by 4 pixels of zeros, cropped back at random
            and flipped at random.
        padding: Whether those zeros are added ``"before"`` the normalization, as black pixels, or
            ``"after"`` it, as pixels of the mean.

    Raises:
        NormscopeError: If a number is out of range.
    """

    name: str
    epochs: int
    batch_size: int
    optimizer: Literal["adadelta", "sgd", "none"]
    lr: float
    schedule: Schedule
    shuffle: bool
    selection: Selection
    weight_decay: float = 0.0
    augment: bool = False
    padding: Padding = "before"

    def __post_init__(self) -> None:
        if self.padding not in get_args(Padding):
            raise UnknownName("--padding", self.padding, get_args(Padding))
        if not self.trains:
            return
        check_at_least(1, self.epochs, "epochs")
        check_at_least(1, self.batch_size, "batch size")
        if not (math.isfinite(self.lr) and self.lr > 0):
            raise NormscopeError(
                f"lr must be finite and > 0, got {self.lr}. Give a learning rate above 0."
            )

    @property
    def trains(self) -> bool:
        """Whether anything is trained; ``frozen`` only tests."""
        return self.optimizer != "none"


LENET = Recipe(
    name="lenet",
    epochs=30,
    batch_size=64,
    optimizer="adadelta",
    lr=1.0,
    schedule="plateau",
    shuffle=True,
    selection="validation",
)
"""The notebook's training with an honest protocol: reshuffled, scheduled by validation."""

LENET_STEPLR = dataclasses.replace(LENET, name="lenet-steplr", epochs=14, schedule="step")
"""The PyTorch example's own: 14 epochs, its schedule (https://github.com/pytorch/examples)."""

LENET_ARTICLE = dataclasses.replace(LENET, name="lenet-article", shuffle=False, selection="test")
"""The notebook's exact protocol (Perrinet, 2024, doi:10.5281/zenodo.14602370), to compare with."""

RESNET_FINETUNE = dataclasses.replace(
    LENET, name="resnet-finetune", epochs=1, optimizer="sgd", lr=0.01
)
"""What the notebook meant to do with ResNet-18, whose training loop never ran."""

RESNET_SCRATCH = dataclasses.replace(
    LENET, name="resnet-scratch", epochs=15, batch_size=128, optimizer="sgd", lr=0.1,
    schedule="cosine", weight_decay=5e-4, augment=True,
)  # fmt: skip
"""From nothing at small sizes: He et al. (2016, arXiv:1512.03385) with a cosine for the rate, as
Loshchilov and Hutter (2017, arXiv:1608.03983), and fewer epochs."""

FROZEN = dataclasses.replace(
    LENET_ARTICLE, name="frozen", epochs=0, optimizer="none", lr=0.0, schedule="none"
)
"""No training: a network with given weights is tested as it is."""

RECIPES = {
    recipe.name: recipe
    for recipe in (LENET, LENET_STEPLR, LENET_ARTICLE, RESNET_SCRATCH, RESNET_FINETUNE, FROZEN)
}

DEFAULT_RECIPES = {"lenet": "lenet", "lenet-bn": "lenet"}
"""The recipe of each model that has one of its own. A network of the user's own gets ``lenet``,
one of a library ``resnet-scratch``."""


SHORT_SOURCES = {"digits": 10}
"""Epochs that suffice on a source so small that a recipe's own number would be a waste."""


def named_recipe(
    name: str | None,
    model: str,
    epochs: int | None = None,
    source: str = "",
    *,
    weights: str | None = None,
    padding: str | None = None,
    **others: Any,
) -> Recipe:
    """The recipe of this name, or the model's default one.

    Args:
        name: A name in ``RECIPES``, or None for the model's own.
        model: The model's name.
        epochs: Replaces the recipe's own number of epochs when given.
        source: The images; a few small ones need fewer epochs than the recipe's.
        weights: What the model starts from, if anything; the default recipe then is
            ``resnet-finetune``.
        padding: Replaces the recipe's own when given.
        others: Other fields of the recipe, each replaced where it is not None.

    Returns:
        The recipe.

    Raises:
        UnknownName: If the name is unknown.
        NormscopeError: If the epochs are fewer than one, or an option does not go with the recipe.
    """
    name = name or _default_recipe(model, weights)
    if name not in RECIPES:
        raise UnknownName("recipe", name, RECIPES)
    recipe = RECIPES[name]
    if not recipe.trains and epochs is not None:
        raise NormscopeError(
            f"--epochs must be left out with --recipe {name}, which trains nothing, got {epochs}."
        )
    if padding is not None and not recipe.augment:
        raise NormscopeError(
            f"--padding must be used with a recipe that pads images, got --recipe {name}. "
            "Use resnet-scratch, or leave it out."
        )
    if epochs is None:
        epochs = min(recipe.epochs, SHORT_SOURCES.get(source, recipe.epochs))
    said = {"padding": padding, **others}
    replaced: dict[str, Any] = {name: v for name, v in said.items() if v is not None}
    return dataclasses.replace(recipe, epochs=epochs, **replaced)


def _default_recipe(model: str, weights: str | None) -> str:
    if weights is not None:
        return "resnet-finetune"
    return DEFAULT_RECIPES.get(model, "lenet" if ":" in model else "resnet-scratch")
