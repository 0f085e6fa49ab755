"""Results as notebooks show them: the answer first, then its reasons, then small tables."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING

from normscope.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST_ROWS, MOST_COLUMNS = 24, 16
"""What a table in a notebook shows; of more it says how many are left out."""

DARKEST = 0.5
"""Of a shaded cell, so that its text can be read on a light and on a dark page."""


LEFT = ' style="text-align: left"'


@dataclass(frozen=True)
class HtmlTable:
    """A small table.

    Attributes:
        headings: One a column.
        rows: Texts by column; the first names the row.
        caption: What stands above it.
        shades: For each cell behind the first how strongly it is coloured, in [0, 1], None where
            it is not; empty where none is. The text says the same.
        words: Whether cells hold words, which are aligned left: notebooks align everything right.
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    shades: Sequence[Sequence[float | None]] = ()
    words: bool = False

    def _repr_html_(self) -> str:
        caption = f"<caption>{html.escape(self.caption)}</caption>" if self.caption else ""
        left = LEFT if self.words else ""
        head = "".join(
            f"<th{left}>{html.escape(text)}</th>" for text in self.headings[:MOST_COLUMNS]
        )
        body = "".join(self._row(number) for number in range(len(self.rows[:MOST_ROWS])))
        table = f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        rows, columns = len(self.rows) - MOST_ROWS, len(self.headings) - MOST_COLUMNS
        hidden = [counted(rows, "row")] * (rows > 0) + [counted(columns, "column")] * (columns > 0)
        return table + (f"<p>Not shown: {' and '.join(hidden)}.</p>" if hidden else "")

    def _row(self, number: int) -> str:
        name, *texts = self.rows[number][:MOST_COLUMNS]
        shades = [*(self.shades[number] if self.shades else ()), *[None] * len(texts)]
        cells = "".join(
            f"<td{LEFT if self.words else _style(shade)}>{html.escape(text)}</td>"
            for text, shade in zip(texts, shades, strict=False)
        )
        left = LEFT if self.words else ""
        return f"<tr><th{left}>{html.escape(name)}</th>{cells}</tr>"


def _style(shade: float | None) -> str:
    if shade is None:
        return ""
    # Transparent, so that the page's own colours of paper and text stay as they are.
    return f' style="background: rgba(38, 130, 142, {DARKEST * shade:.2f})"'


def notebook_html(answer: str, sentences: Iterable[str] = (), *tables: HtmlTable) -> str:
    """What ``_repr_html_`` of a result gives: no scripts, no colours of its own, no requests.

    Args:
        answer: In bold, first.
        sentences: Reasons and notes, one a line.
        tables: Below them, those that have rows.

    Returns:
        HTML in which every name is escaped.

    Example:
        >>> notebook_html("No: <b> is fine.", ["3 of 3 runs learned."])
        '<div><p><b>No: &lt;b&gt; is fine.</b></p><p>3 of 3 runs learned.</p></div>'
    """
    paragraphs = "".join(f"<p>{html.escape(sentence)}</p>" for sentence in sentences)
    shown = "".join(table._repr_html_() for table in tables if table.rows)
    return f"<div><p><b>{html.escape(answer)}</b></p>{paragraphs}{shown}</div>"
