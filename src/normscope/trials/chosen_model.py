"""The model that a user chooses for a trial, as plain data that stands for one set of numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from normscope.errors import NormscopeError
from normscope.models.files.naming import names_file
from normscope.models.files.opening import digest_of_model
from normscope.models.options import DEFAULT_WEIGHTS, ModelOptions

if TYPE_CHECKING:
    from pathlib import Path


def model_options(
    model: str,
    weights: str | Path | None,
    *,
    new_head: bool = False,
    batchnorm: bool = True,
) -> ModelOptions:
    """What a user says of a model, with a digest of the weights' file, or of the model's own.

    Args:
        model: As ``build_model`` takes it.
        weights: A file, ``"default"``, or None.
        new_head: Whether the last layer is replaced.
        batchnorm: False to leave every BatchNorm out.

    Returns:
        The options.

    Raises:
        NormscopeError: If a new head is asked for without weights.
    """
    from normscope.models.weights import weights_digest

    if weights is None and names_file(model):
        return ModelOptions(None, digest_of_model(model), new_head, batchnorm)
    if weights is None:
        if new_head:
            raise NormscopeError(
                "--new-head must be used with --weights, got none: without weights the whole "
                "network is new. Leave it out."
            )
        return ModelOptions(batchnorm=batchnorm)
    text = str(weights)
    digest = None if text == DEFAULT_WEIGHTS else weights_digest(text)
    return ModelOptions(text, digest, new_head, batchnorm)


def check_weights(model: str, options: ModelOptions) -> None:
    """Refuse a file of weights that is not the one that a specification was written for.

    Args:
        model: As ``build_model`` takes it.
        options: Of the specification.

    Raises:
        NormscopeError: If its digest is another.
    """
    if options.weights_digest is None:
        return
    again = model_options(model, options.weights).weights_digest
    if again != options.weights_digest:
        raise NormscopeError(
            f"{options.weights or model} must hold the weights that the specification was written "
            f"for (digest {options.weights_digest}), got others ({again}). Leave out --spec to begin a "
            "new study."
        )
