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
    """Spawn a trial's independent streams from its seed.

    Args:
        seed: The trial's.

    Returns:
        The four streams.
    """
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
    on_cpu = device == "cpu"
    devices = [] if on_cpu else [torch.get_device_module(device).current_device()]
    with torch.random.fork_rng(devices, device_type="cuda" if on_cpu else device):
        yield


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Compute with so many CPU threads for a while.

    Args:
        count: At least 1.

    Yields:
        Nothing; afterwards the number is as it was before.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
