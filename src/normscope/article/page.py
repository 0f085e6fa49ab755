"""The comparison with the published study as one page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from normscope.article.agreement import WORDS
from normscope.article.published import SOURCE
from normscope.machine.environment import describe_environment
from normscope.reports.page import render
from normscope.writing import write_result

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from normscope.article.running import Outcome
    from normscope.article.setting import Setting

PAGE = "article.html"


def write_page(outcomes: Sequence[Outcome], setting: Setting) -> Path:
    """Write published and measured figures side by side."""
    here = {**describe_environment("cpu"), "source": setting.source, "images": setting.images}
    page = setting.out / PAGE
    html = render(
        "article.html",
        title="The published study, side by side",
        data={},
        source=SOURCE,
        quick=setting.quick,
        outcomes=outcomes,
        words=WORDS,
        facts=[(name.replace("_", " "), value) for name, value in here.items()],
    )
    write_result(page, html)
    return page
