"""The report page: one self-contained HTML file that asks nobody for anything."""

from __future__ import annotations

import base64
import json
import re
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

from normscope.findings.reasons import SHARES
from normscope.reports.commands import scan_command
from normscope.reports.page_data import facts, page_data
from normscope.rounding import fixed
from normscope.wording import counted

if TYPE_CHECKING:
    from normscope.figures.accuracy_map import AccuracyMap
    from normscope.findings.scan_results import ScanResults
    from normscope.findings.summary import Summary

ENDS = {
    "grid": "the grid ends",
    "failures": "with the next value runs fail",
    "loss": "the next value surely loses",
    "open": "not enough is known of the next value",
}


def scan_page(results: ScanResults, summary: Summary, drawn: AccuracyMap) -> str:
    """Write a scan's page.

    Args:
        results: A scan's, with at least one seed finished in every cell.
        summary: What they say.
        drawn: Their map.

    Returns:
        HTML, with its style, script and data inside. Names appear as text, whatever they hold.
    """
    specification = results.specification
    data = page_data(results, summary, drawn)
    return render(
        "scan.html",
        title=data["title"],
        data=data,
        summary=summary,
        found=summary.findings,
        axes=specification.axes,
        scope=_scope(results, summary),
        share_names=SHARES,
        ends=ENDS,
        facts=facts(results),
        specification=specification.to_toml(),
        command=scan_command(specification),
    )


def _scope(results: ScanResults, summary: Summary) -> str:
    """What the answer is about: another recipe or model may have another one."""
    specification, trials = results.specification, results.every_trial
    recipe, found = specification.trial.recipe, summary.findings
    images = counted(trials[0].result.test_images, "test image")
    if not recipe.trains:
        return (
            f"Frozen weights, {images}; only the outputs for their classes compete. A network "
            "trained anew may answer otherwise."
        )
    runs = [f"{counted(found.seeds, 'seed')} a cell"] if found.seeds else []
    if specification.survival:
        more = f"{specification.survival} more" if runs else counted(specification.survival, "seed")
        runs.append(f"{more}{'' if runs else ' a cell'} for failures alone")
    return (
        f"Recipe {recipe.name}, {counted(recipe.epochs, 'epoch')}, {' and '.join(runs)}, "
        f"{images}, pixels from 0 to 1. Another model or recipe may answer otherwise."
    )


def render(template: str, data: dict[str, Any], **values: Any) -> str:
    """Fill a template of ``reports/assets``.

    Args:
        template: Its file's name.
        data: What its script reads.
        values: What its text needs.

    Returns:
        HTML.
    """
    folder = files("normscope.reports") / "assets"

    def read(name: str) -> str:
        return (folder / name).read_text(encoding="utf-8")

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(read), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {
        "at": _at,
        "base64": _base64,
        "words": _words,
        "options_whole": _options_whole,
        "few_digits": _few_digits,
        "fixed": fixed,
    }
    # In a script element only "<" could end it, and JSON can spell it otherwise.
    text = json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return environment.get_template(template).render(
        **values,
        data=Markup(text),  # noqa: S704 - JSON without any "<"
        style=Markup(read("page.css")),  # noqa: S704 - our own file
        script=Markup(read("rounding.js") + read("page.js")),  # noqa: S704 - our own file
    )


def _base64(picture: bytes) -> str:
    return base64.b64encode(picture).decode("ascii")


def _options_whole(text: str) -> Markup:
    """No line breaks within an option, or between a number and its percent sign."""
    whole = re.sub(r"--[\w-]+", r"<span class='word'>\g<0></span>", str(Markup.escape(text)))
    return Markup(whole.replace(" %", "\u00a0%"))  # noqa: S704 - escaped above


def _words(text: str) -> Markup:
    """Lines break between its words, and not after their hyphens."""
    return Markup(" ").join(
        Markup('<span class="word">{}</span>').format(w) for w in text.split(" ")
    )


def _few_digits(value: Any) -> str:
    """A setting whose long numbers have four significant digits."""
    text = re.sub(r"\d+\.\d{4,}", lambda number: f"{float(number[0]):.4g}", str(value))
    return re.sub(r",(?! )", ", ", text)


def _at(fields: dict[str, Any]) -> str:
    def numbers(value: float | list[float]) -> str:
        return ",".join(f"{v:.4g}" for v in (value if isinstance(value, list) else [value]))

    return f"{numbers(fields['mean'])}/{numbers(fields['std'])}"
