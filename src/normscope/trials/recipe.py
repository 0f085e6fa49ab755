"""How a model is trained, as plain data, and the recipes known by name."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal, cast

from normscope.errors import NormscopeError, UnknownName

Schedule = Literal["plateau", "step"]
Selection = Literal["validation", "test"]


SGD_MOMENTUM = 0.9


@dataclass(frozen=True)
class Recipe:
    """How a model is trained.

    Attributes:
        name: What it is called.
        epochs: Passes over the training images.
        batch_size: Images in a step; the last batch of an epoch may be smaller.
        optimizer: ``"adadelta"``, or ``"sgd"`` with momentum 0.9.
        lr: Initial learning rate.
        schedule: ``"plateau"`` divides the rate by 10 when the accuracy that ``selection`` names
            has not risen for 10 epochs (``ReduceLROnPlateau("max")``); ``"step"`` multiplies it
            by 0.7 after every epoch (``StepLR``).
        shuffle: Whether the order of the images is drawn anew for every epoch.
        selection: The split that the schedule looks at. ``"test"`` is the notebook's own protocol:
            it trains on every training image, holds none back, and tests after every epoch.

    Raises:
        NormscopeError: If a number is out of range.
    """

    name: str
    epochs: int
    batch_size: int
    optimizer: Literal["adadelta", "sgd"]
    lr: float
    schedule: Schedule
    shuffle: bool
    selection: Selection

    def __post_init__(self) -> None:
        for option, value in (("epochs", self.epochs), ("batch size", self.batch_size)):
            if value < 1:
                raise NormscopeError(
                    f"{option} must be at least 1, got {value}. Give a larger number."
                )
        if not (math.isfinite(self.lr) and self.lr > 0):
            raise NormscopeError(
                f"lr must be finite and > 0, got {self.lr}. Give a learning rate above 0."
            )

    def to_json(self) -> dict[str, Any]:
        """Every field by name.

        Returns:
            A mapping that ``from_json`` reads back.
        """
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Recipe:
        """Read what ``to_json`` gave.

        Args:
            fields: Every field by name.

        Returns:
            The recipe.
        """
        return cls(**cast("Any", fields))


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

RECIPES = {recipe.name: recipe for recipe in (LENET, LENET_STEPLR, LENET_ARTICLE)}

DEFAULT_RECIPES = {"lenet": "lenet"}
"""The recipe of each model that has one of its own; any other model gets ``lenet``."""


SHORT_SOURCES = {"digits": 10}
"""Epochs that suffice on a source so small that a recipe's own number would be a waste."""


def named_recipe(
    name: str | None, model: str, epochs: int | None = None, source: str = ""
) -> Recipe:
    """The recipe of this name, or the model's default one.

    Args:
        name: A name in ``RECIPES``, or None for the model's own.
        model: The model's name.
        epochs: Replaces the recipe's own number of epochs when given.
        source: The images; a few small ones need fewer epochs than the recipe's.

    Returns:
        The recipe.

    Raises:
        UnknownName: If the name is unknown.
        NormscopeError: If the epochs are fewer than one.
    """
    name = name or DEFAULT_RECIPES.get(model, "lenet")
    if name not in RECIPES:
        raise UnknownName("recipe", name, RECIPES)
    recipe = RECIPES[name]
    epochs = SHORT_SOURCES.get(source) if epochs is None else epochs
    return recipe if epochs is None else dataclasses.replace(recipe, epochs=epochs)
