"""What a user says of a model beside its name, as plain data."""

from __future__ import annotations

from dataclasses import dataclass

from normscope.errors import NormscopeError

DEFAULT_WEIGHTS = "default"


def check_no_weights(weights: object, model: object) -> None:
    """Refuse weights beside a model that has its own.

    Args:
        weights: What ``--weights`` was given.
        model: A file, or the name of a network.

    Raises:
        NormscopeError: If they are others than the model's own.
    """
    if weights not in {None, DEFAULT_WEIGHTS}:
        raise NormscopeError(
            f"--weights must be used with a model's name, got {model}, which brings its own. Leave "
            "it out."
        )


@dataclass(frozen=True)
class ModelOptions:
    """How a model is built.

    Attributes:
        weights: A file of weights, ``"default"`` for those that the model's library publishes, or
            None for a fresh initialization.
        weights_digest: Digest of that file, or of the model's own where it is a file or folder, so
            that a specification stands for one set of numbers.
        new_head: Whether the last layer is replaced by a fresh one with an output for each class.
        batchnorm: False to leave every BatchNorm out.
    """

    weights: str | None = None
    weights_digest: str | None = None
    new_head: bool = False
    batchnorm: bool = True

    @property
    def has_weights(self) -> bool:
        """Whether it starts from weights: a file's, a library's, or those that a model brings."""
        return self.weights is not None or self.weights_digest is not None
