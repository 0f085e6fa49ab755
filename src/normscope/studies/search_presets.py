"""The published searches by name (Perrinet, 2024, doi:10.5281/zenodo.14602370)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SearchPreset:
    """The ranges of a published search.

    Attributes:
        over: What it varies, as ``--over`` has it.
        at: What it holds fixed, as ``--at`` has it.
    """

    over: tuple[str, ...]
    at: tuple[str, ...] = ()


def _channels(mean: str, std: str) -> tuple[str, ...]:
    return tuple(f"{kind}-{c}={r}" for kind, r in (("mean", mean), ("std", std)) for c in "rgb")


SEARCH_PRESETS = {
    "lenet": SearchPreset(("mean=-1:2", "std=0.05:1:log")),
    "lenet-init": SearchPreset(
        ("weight-init=0.05:20:log", "bias-init=0.05:20:log"), at=("mean=-1", "std=0.1")
    ),
    "resnet": SearchPreset(("mean=-0.5:1.5", "std=0.2:0.6:log")),
    "rgb-coarse": SearchPreset(_channels("-1:2", "0.05:1:log")),
    "rgb-fine": SearchPreset(_channels("0.4:0.6", "0.15:0.35:log")),
}
"""The notebook's text gives its init search the worst cell, -0.5714/0.02, and its code -1/0.1; the
code is what ran. ``--at mean=-0.5714,std=0.02`` gives the other."""
