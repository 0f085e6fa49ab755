"""Which implementation of the convolutions a stack is trained with."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from normscope.images.decoded import DecodedSource
    from normscope.trials.spec import TrialSpec


def choose_trunk(device: torch.device, source: DecodedSource, spec: TrialSpec, models: int) -> str:
    """The implementation that suits a device.

    On a CPU it is fixed, so that a trial gives the same bits wherever it runs. On a GPU the
    quickest depends on its make and on the library's version, so each is timed for a few steps.

    Args:
        device: Where the stack trains.
        source: Its images.
        spec: A trial of the stack.
        models: How many models it has.

    Returns:
        A name in ``TRUNKS``.
    """
    if device.type != "cuda":
        return "channels-last"
    from normscope.trials.fast.graph import fastest_trunk

    return fastest_trunk(source, spec, models)
