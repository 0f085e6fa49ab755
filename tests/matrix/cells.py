"""What is supported: Pythons, dependencies from oldest to newest, the light core and each extra."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[2]

PYTHONS = ("3.11", "3.12", "3.13")
RESOLUTIONS = {"oldest": "lowest-direct", "newest": "highest"}
"""As uv calls them: the oldest versions that pyproject.toml allows, or the newest."""


@dataclass(frozen=True)
class Cell:
    """One environment to install into.

    Attributes:
        python: Its version, such as ``3.11``.
        part: ``core``, or an extra.
        resolution: A key of ``RESOLUTIONS``.
        built: ``whl``, or ``tar.gz`` for the sdist.
    """

    python: str
    part: str
    resolution: str
    built: str = "whl"

    @property
    def name(self) -> str:
        sdist = "" if self.built == "whl" else "-sdist"
        return f"{self.python}-{self.part}-{self.resolution}{sdist}"


def extras() -> list[str]:
    """Those that stand alone: ``all`` is their sum."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return sorted(set(project["optional-dependencies"]) - {"all"})


def newest(found: list[str]) -> str:
    """The newest of some versions such as ``3.13.0``, without its last part."""
    released = [v for v in found if re.fullmatch(r"3\.\d+\.\d+", v)]
    most = max((tuple(map(int, v.split("."))) for v in released), default=(3, 13))
    return f"3.{max(most[1], int(PYTHONS[-1].removeprefix('3.')))}"


def all_cells(last: str) -> list[Cell]:
    """The cells, cheap ones first.

    Args:
        last: The newest Python that was found.
    """
    pythons = list(dict.fromkeys((*PYTHONS, last)))
    cells = [Cell(p, "core", r) for p in pythons for r in RESOLUTIONS]
    cells.append(Cell(pythons[0], "core", "newest", "tar.gz"))
    ends = ((pythons[0], "oldest"), (pythons[-1], "newest"))
    return cells + [Cell(p, extra, r) for extra in extras() for p, r in ends]


def chosen(cells: list[Cell], patterns: list[str]) -> list[Cell]:
    """Those whose name fits one of the patterns; all where there is none."""
    return [c for c in cells if not patterns or any(fnmatch(c.name, p) for p in patterns)]
