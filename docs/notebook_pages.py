"""Executed notebooks become pages of the site as it is built, with the outputs that they hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files


def on_files(files: Files, config: MkDocsConfig, **_: object) -> Files:
    """Add a page for each notebook, beside the notebook itself."""
    for path in sorted(Path(config.docs_dir).rglob("*.ipynb")):
        uri = path.relative_to(config.docs_dir).with_suffix(".md").as_posix()
        files.append(File.generated(config, uri, content=as_markdown(path)))
    return files


def as_markdown(path: Path) -> str:
    """A notebook's cells and outputs.

    Args:
        path: A notebook of format 4, executed.

    Returns:
        Markdown with HTML in it.
    """
    title, *cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    download = f"[Download this notebook]({path.name}){{ download }}"
    return "\n\n".join([_source(title), download, *(part for c in cells for part in _parts(c))])


def _parts(cell: dict[str, Any]) -> Iterator[str]:
    if cell["cell_type"] == "markdown":
        yield _source(cell)
        return
    yield f"```python\n{_source(cell)}\n```"
    for output in cell["outputs"]:
        shown = output.get("data", {})
        if "text/html" in shown:
            yield f'<div class="output">{_text(shown["text/html"])}</div>'
        elif "image/png" in shown:
            image = _text(shown["image/png"]).replace("\n", "")
            yield f'<img src="data:image/png;base64,{image}" alt="What the cell above shows">'
        else:
            yield f"```text\n{_text(shown.get('text/plain') or output['text'])}\n```"


def _source(cell: dict[str, Any]) -> str:
    return _text(cell["source"])


def _text(lines: str | list[str]) -> str:
    return lines if isinstance(lines, str) else "".join(lines)
