"""``python -m tests.matrix [PATTERN...]``: is everything that is said to be supported?

Builds wheel and sdist, and installs them with every Python, the oldest and the newest allowed
dependencies and each extra alone into empty folders, where ``uses.py`` uses them. Needs uv, and
Python's standard library; each cell prints one line. ``PATTERN`` chooses cells, as ``*-core-*``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.matrix.cells import RESOLUTIONS, ROOT, Cell, all_cells, chosen, newest

USES = Path(__file__).with_name("uses.py")
LONGEST_SECONDS = 3600


class Failed(Exception):
    """A command of a cell failed; its last line says why."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.matrix", description=__doc__)
    parser.add_argument("patterns", nargs="*", metavar="PATTERN")
    parser.add_argument("--uv", default="uv", help="Where uv is; by default on the PATH.")
    asked = parser.parse_args()
    patterns, os.environ["UV"] = asked.patterns, asked.uv
    _find_pythons()
    try:
        cells = chosen(all_cells(newest(_pythons())), patterns)
        if not cells:
            raise Failed(f"a pattern must fit some cell, such as *-core-*, got {patterns}")
        with tempfile.TemporaryDirectory(prefix="normscope-matrix-") as name:
            folder = Path(name)
            built = _build(folder / "dist")
            print(f"build: passed ({', '.join(sorted(path.name for path in built))})", flush=True)
            # All are run, whatever becomes of the first.
            passed = [_tried(cell, built, folder / cell.name) for cell in cells]
    except Failed as failure:
        print(f"build: {failure}")
        return 1
    print(f"{sum(passed)} of {len(passed)} cells passed")
    return 0 if all(passed) else 1


def _tried(cell: Cell, built: list[Path], folder: Path) -> bool:
    start = time.monotonic()
    try:
        _run_cell(cell, built, folder)
    except Failed as failure:
        print(f"{cell.name}: {failure}", flush=True)
        return False
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{cell.name}: passed ({time.monotonic() - start:.0f} s)", flush=True)
    return True


def _run_cell(cell: Cell, built: list[Path], folder: Path) -> None:
    environment, empty = folder / "environment", folder / "empty"
    empty.mkdir(parents=True)
    _uv("venv", "--python", cell.python, environment)
    python = environment / "bin" / "python"
    needed = folder / "requirements.txt"
    extra = [] if cell.part == "core" else ["--extra", cell.part]
    # From pyproject.toml, whose dependencies are then the direct ones that may be the oldest.
    _uv("pip", "compile", ROOT / "pyproject.toml", *extra, "--python", python,
        "--resolution", RESOLUTIONS[cell.resolution], "--output-file", needed)  # fmt: skip
    _uv("pip", "install", "--python", python, "--requirements", needed)
    (package,) = [path for path in built if path.name.endswith(cell.built)]
    _uv("pip", "install", "--python", python, "--no-deps", package)
    _uv("pip", "check", "--python", python)
    _done([python, "-I", shutil.copy(USES, folder), cell.part], cwd=empty)


def _build(folder: Path) -> list[Path]:
    _uv("build", "--out-dir", folder, ROOT)
    built = [path for path in folder.iterdir() if path.name.startswith("normscope")]
    _uv("tool", "run", "twine", "check", "--strict", *built)
    _uv("tool", "run", "check-wheel-contents", *folder.glob("*.whl"))
    return built


def _pythons() -> list[str]:
    listed = _uv("python", "list", "--only-installed", "--output-format", "json")
    found = json.loads(listed)
    return [p["version"] for p in found if p["implementation"] == "cpython"]


def _find_pythons() -> None:
    """Put pyenv's Pythons where uv looks for them: its own links work only for the chosen one."""
    own = sorted(Path.home().glob(".pyenv/versions/3.*/bin"))
    os.environ["PATH"] = os.pathsep.join([*map(str, own), os.environ["PATH"]])


def _uv(*arguments: object) -> str:
    return _done([os.environ["UV"], *arguments])


def _done(command: list[object], cwd: Path = ROOT) -> str:
    names = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    bare = {name: value for name, value in os.environ.items() if name not in names}
    if cwd != ROOT:
        bare["NORMSCOPE_CACHE"] = str(cwd / "cache")
    try:
        done = subprocess.run(
            [str(word) for word in command],
            capture_output=True, text=True, cwd=cwd, env=bare, timeout=LONGEST_SECONDS,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except FileNotFoundError:
        raise Failed(f"{command[0]} must be installed, got none. Run: pip install uv") from None
    except subprocess.TimeoutExpired:
        raise Failed(f"not done after {LONGEST_SECONDS} s: {command[1:4]}") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines() or ["nothing was said"]
        print("\n".join(said), file=sys.stderr)
        raise Failed(f"exit {done.returncode}: {said[-1].strip()}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
