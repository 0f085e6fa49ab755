"""The commands that are tortured, each with what it reads and where it writes."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.torture.inputs import GRID, OVER

if TYPE_CHECKING:
    from pathlib import Path

SHARED = "shared.db"
NETWORK = ["lenet-bn", "--weights", "in/w.safetensors", "--images", "in/photos"]


@dataclass(frozen=True)
class Case:
    """One call, made in a folder of its own.

    Attributes:
        name: What reports call it.
        arguments: Behind ``normscope``. What it reads lies in ``in``, what it writes in ``out``;
            ``outWHO`` is a folder for each process.
        busy: Whether a second process in the same folder is refused.
        copied: A folder of the inputs that is copied to ``out`` first.
        weight: How often it is drawn; what takes a minute is drawn less often.
    """

    name: str
    arguments: list[str]
    busy: bool = False
    copied: str | None = None
    weight: int = 2

    @property
    def shared(self) -> bool:
        """Whether two processes have a folder each, and one database."""
        return "outWHO" in self.arguments

    def call(self, who: int) -> list[str]:
        """The arguments of one of two processes."""
        return [word.replace("WHO", str(who)) for word in self.arguments]

    def prepare(self, place: Path, inputs: Path) -> None:
        """Make the folder in which it is called; it may exist, empty."""
        for name in ("tmp", "cache"):
            (place / name).mkdir(parents=True)
        (place / "in").symlink_to(inputs)
        if self.copied:
            shutil.copytree(inputs / self.copied, place / "out")
        elif not self.shared:
            (place / "out").mkdir()


def _fold(suffix: str, weight: int, *model: str) -> Case:
    size = [] if model else ["--channels", "grey", "--image-size", "8"]
    norm = "0/0.00392156862745098" if model else "half"  # the graph takes bytes
    given = model or ("lenet-bn", "--weights", "in/w.safetensors")
    return Case(
        f"fold {'.onnx to ' if model else ''}{suffix}",
        ["fold", *given, "--norm", norm, *size, "-o", f"out/raw{suffix}"],
        weight=weight,
    )


def _shared(*more: str) -> list[str]:
    return [
        *more, "--out", "outWHO", "--workers", "1", "--storage", f"sqlite:///{SHARED}",
        "--study", "one", "--grace", "5",
    ]  # fmt: skip


CASES = [
    Case("scan", ["scan", "in/photos", *GRID, "--out", "out", "--workers", "2"], busy=True,
         weight=1),
    Case(
        "scan in one process",
        ["scan", "in/photos", *GRID, "--out", "out", "--workers", "1", "--json", "out/n.json"],
        busy=True,
    ),
    Case("shared scan", _shared("scan", "in/photos", *GRID), weight=1),
    Case(
        "search",
        ["search", "in/photos", *OVER, "--trials", "12", "--out", "out", "--workers", "1"],
        busy=True,
    ),
    Case(
        "search at random",
        ["search", "in/photos", *OVER, "--trials", "20", "--out", "out", "--workers", "2",
         "--sampler", "random"],
        busy=True,
        weight=1,
    ),
    Case(
        "shared search",
        _shared("search", "in/photos", *OVER, "--trials", "20", "--sampler", "random"),
        weight=1,
    ),
    Case("stats", ["stats", "in/many", "--out", "out", "--workers", "2", "--json", "out/n.json"]),
    Case("report", ["report", "out", "--json", "out/n.json"], copied="scanned"),
    _fold(".safetensors", 4),
    _fold(".pt2", 1),
    _fold(".onnx", 1),
    _fold(".onnx", 4, "in/net.onnx"),
    Case("audit", ["audit", *NETWORK[:-1], "in/photos/val/cats", "--norm", "half", "--out", "out"],
         weight=4),
    Case("check", ["check", *NETWORK, "--norm", "half", "--out", "out"], weight=4),
    Case(
        "cache",
        ["train", "in/many", "--epochs", "1", "--resize", "8", "--crop", "8", "--json",
         "out/n.json"],
    ),
]  # fmt: skip
