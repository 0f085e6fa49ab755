"""Runs a trial with the trainer that its specification names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from normscope.images.decoded import DecodedSource
    from normscope.trials.result import Epoch, TrialResult
    from normscope.trials.spec import TrialSpec


def run_trial(
    spec: TrialSpec,
    source: DecodedSource,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> TrialResult:
    """Run one trial.

    Args:
        spec: The trial.
        source: Its images, with the splits that its recipe needs.
        on_epoch: Called at the end of every epoch.

    Returns:
        What the trial gave.
    """
    if not spec.recipe.trains:
        from normscope.trials.frozen import evaluate_frozen

        return evaluate_frozen(spec, source)
    if spec.trainer == "plain":
        from normscope.trials.train import train

        return train(spec, source, on_epoch)
    from normscope.trials.fast.training import train_fast

    return train_fast(spec, source, on_epoch)
