"""The package's shape: no circle of imports, even for types alone, and no long file."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import normscope

SOURCE = Path(normscope.__file__).parent
LONGEST = 300


def modules() -> dict[str, Path]:
    paths = sorted(SOURCE.rglob("*.py"))
    names = [".".join(p.relative_to(SOURCE.parent).with_suffix("").parts) for p in paths]
    return {n.removesuffix(".__init__"): p for n, p in zip(names, paths, strict=True)}


def imported(path: Path) -> set[str]:
    """What a file imports anywhere in it; a name may be a module's or lie in one."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def test_no_circle_of_imports():
    known = modules()
    # The package itself names its public parts and is imported by none of them.
    graph = {
        name: (imported(path) & known.keys()) - {name, "normscope"}
        for name, path in known.items()
        if name != "normscope"
    }
    packages = {name for name, path in known.items() if path.name == "__init__.py"}
    order = list(
        TopologicalSorter({n: uses - packages for n, uses in graph.items()}).static_order()
    )
    assert len(order) > 200


def test_no_long_file():
    lengths = {p.name: len(p.read_text(encoding="utf-8").splitlines()) for p in modules().values()}
    assert {name: n for name, n in lengths.items() if n > LONGEST} == {}
