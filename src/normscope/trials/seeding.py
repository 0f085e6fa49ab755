"""One seed to everything that is drawn in a trial, and nothing drawn from anywhere else."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Generators:
    """Independent streams of one trial's seed, so that none shifts another.

    Attributes:
        initialization: Seeds torch's generator while the model is built.
        order: Draws the order of the images, on the CPU.
        dropout: Seeds torch's generator while the model is trained.
        augmentation: Draws crops and flips, on the CPU.
    """

    initialization: int
    order: torch.Generator
    dropout: int
    augmentation: torch.Generator


def generators(seed: int) -> Generators:
    """Spawn a trial's independent streams from its seed."""
    streams = np.random.SeedSequence(seed).spawn(4)
    initialization, order, dropout, augmentation = (
        int(stream.generate_state(1, np.uint64)[0] >> 1) for stream in streams
    )
    return Generators(
        initialization,
        torch.Generator().manual_seed(order),
        dropout,
        torch.Generator().manual_seed(augmentation),
    )


@contextmanager
def torch_seeded(seed: int, device: str) -> Iterator[None]:
    """Seed torch's own generator, which initialization and dropout draw from, for a while.

    Args:
        seed: What it is seeded with.
        device: Its generator is seeded too.

    Yields:
        Nothing; afterwards the generators are as they were before.
    """
    with unchanged_draws(device):
        torch.manual_seed(seed)
        yield


@contextmanager
def unchanged_draws(device: str) -> Iterator[None]:
    """Let nothing that is drawn from torch's own generator for a while shift what follows.

    Args:
        device: Its generator is kept too.

    Yields:
        Nothing; afterwards the generators are as they were before.
    """
    with torch.random.fork_rng([torch.cuda.current_device()] if device == "cuda" else []):
        # Apple's GPU is one alone, and has no number that fork_rng could ask for.
        before = torch.mps.get_rng_state() if device == "mps" else None
        try:
            yield
        finally:
            if before is not None:
                torch.mps.set_rng_state(before)
