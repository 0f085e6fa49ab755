"""The notebooks of the site hold what their cells give, and the cells run."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "docs" / "notebooks").glob("*.ipynb"))


def code_cells(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def run_cell(source, names):
    """Run it as a notebook does: the value of its last expression is what is shown."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    return last and eval(compile(ast.Expression(last.value), "cell", "eval"), names)


def test_there_are_two():
    assert [path.stem for path in NOTEBOOKS] == ["does-it-matter", "your-images"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_cells_run_and_show_as_much_as_was_stored(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    for number, cell in enumerate(code_cells(path), 1):
        assert cell["execution_count"] == number
        value = run_cell("".join(cell["source"]), names)
        stored = [output["data"] for output in cell["outputs"]]
        assert len(stored) == (value is not None)
        for kind in ("html", "png"):
            way = getattr(value, f"_repr_{kind}_", None)
            assert bool(way and way()) == any(
                data.get(f"text/{kind}") or data.get(f"image/{kind}") for data in stored
            )
        # Statistics are the same everywhere; trainings are nearly so.
        if path.stem == "your-images" and stored and "text/html" in stored[0]:
            assert value._repr_html_() == "".join(stored[0]["text/html"])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_their_pages_hold_their_outputs(path):
    pytest.importorskip("mkdocs", reason="mkdocs is not installed")
    import importlib.util

    spec = importlib.util.spec_from_file_location(
        "notebook_pages", path.parents[1] / "notebook_pages.py"
    )
    pages = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pages)
    page = pages.as_markdown(path)
    for cell in code_cells(path):
        assert f"```python\n{''.join(cell['source'])}\n```" in page
        for output in cell["outputs"]:
            text = output["data"].get("text/html")
            assert text is None or f'<div class="output">{"".join(text)}</div>' in page
    assert f"({path.name})" in page
