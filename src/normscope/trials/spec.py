"""One trial's full specification, as plain data: the same specification gives the same result."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from normscope.errors import NormscopeError
from normscope.init_scale import InitScale
from normscope.normalization import Normalization
from normscope.trials.recipe import Recipe

LARGEST_SEED = 2**63 - 1


@dataclass(frozen=True)
class TrialSpec:
    """One model, one normalization, one initialization scale, one seed, one recipe.

    Attributes:
        source: The images, as the user named them.
        fingerprint: Digest of their pixels and labels.
        train_images: How many training images are used; None for all.
        model: A model's name or ``package.module:factory``.
        recipe: How it is trained.
        normalization: What its images are normalized with.
        init_scale: Factors on the first layer's initialization.
        seed: Fixes the initialization, the order of the images and the dropout.
        device: ``"cpu"``, ``"cuda"`` or ``"mps"``.
        threads: CPU threads; sums of floats depend on their number, so it is part of the trial.
        precision: ``"fp32"`` or ``"bf16"``.
        trainer: ``"fast"`` or ``"plain"``; the last digits depend on it.

    Raises:
        NormscopeError: If the seed or the number of threads is out of range.
    """

    source: str
    fingerprint: str
    train_images: int | None
    model: str
    recipe: Recipe
    normalization: Normalization
    init_scale: InitScale
    seed: int
    device: str
    threads: int
    precision: str
    trainer: str = "fast"

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= LARGEST_SEED:
            raise NormscopeError(
                f"seed must lie between 0 and {LARGEST_SEED}, got {self.seed}. "
                "Give a number in that range."
            )
        if self.threads < 1:
            raise NormscopeError(
                f"threads must be at least 1, got {self.threads}. Give a larger number."
            )

    def to_json(self) -> dict[str, Any]:
        """Every field as JSON has it.

        Returns:
            A mapping that ``from_json`` reads back.
        """
        return {
            "source": self.source,
            "fingerprint": self.fingerprint,
            "train_images": self.train_images,
            "model": self.model,
            "recipe": self.recipe.to_json(),
            "normalization": str(self.normalization),
            "init_scale": {"weight": self.init_scale.weight, "bias": self.init_scale.bias},
            "seed": self.seed,
            "device": self.device,
            "threads": self.threads,
            "precision": self.precision,
            "trainer": self.trainer,
        }

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> TrialSpec:
        """Read what ``to_json`` gave.

        Args:
            fields: Every field by name.

        Returns:
            The specification.
        """
        return cls(
            **{
                **fields,
                "recipe": Recipe.from_json(fields["recipe"]),
                "normalization": Normalization.parse(fields["normalization"]),
                "init_scale": InitScale(**fields["init_scale"]),
            }
        )

    def key(self) -> str:
        """A text that equal specifications share and different ones do not.

        Returns:
            Its JSON with sorted keys.
        """
        return json.dumps(self.to_json(), sort_keys=True)
