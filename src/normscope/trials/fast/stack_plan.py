"""How a stack is computed: the implementation of its steps, checked on the device that runs it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StackPlan:
    """How the steps of a stack are computed.

    Attributes:
        trunk: The convolutions' implementation, a name in ``TRUNKS``.
        fused: Whether Adadelta's step is one pass of our own, by Triton or numba.
        graphed: Whether a GPU replays whole steps as one CUDA graph.
    """

    trunk: str = "channels-last"
    fused: bool = False
    graphed: bool = False

    def __str__(self) -> str:
        parts = [f"the {self.trunk} convolutions"]
        parts += ["the fused optimizer"] if self.fused else []
        parts += ["a CUDA graph"] if self.graphed else []
        return " with ".join((parts[0], " and ".join(parts[1:]))) if parts[1:] else parts[0]


PLAIN = StackPlan()
"""Plain operations of torch, on every device."""

COMPILED = StackPlan("winograd", fused=True)
"""The quickest on a CPU in fp32, once numba has compiled it."""
