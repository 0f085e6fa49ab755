"""What a user says of a model beside its name, as plain data."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

DEFAULT_WEIGHTS = "default"


@dataclass(frozen=True)
class ModelOptions:
    """How a model is built.

    Attributes:
        weights: A file of weights, ``"default"`` for those that the model's library publishes, or
            None for a fresh initialization.
        weights_digest: Digest of that file, so that a specification stands for one set of numbers.
        new_head: Whether the last layer is replaced by a fresh one with an output for each class.
        batchnorm: False to leave every BatchNorm out.
    """

    weights: str | None = None
    weights_digest: str | None = None
    new_head: bool = False
    batchnorm: bool = True

    def to_json(self) -> dict[str, Any]:
        """The fields that differ from their defaults.

        Returns:
            A mapping that ``ModelOptions(**mapping)`` reads back; empty for the defaults.
        """
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        }
