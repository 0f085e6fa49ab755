"""``normscope check``: whether what is used with a network is right, in one command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from normscope.checking.options import CheckOptions
from normscope.cli import options
from normscope.cli.output import note, note_skipped, show, write_json
from normscope.progress import progress

EXAMPLE = "Example: normscope check model.onnx --images photos --norm imagenet"

WRONG = 1


@options.expanded
def check(
    chosen: CheckOptions,
    *,
    out: Annotated[
        Path | None, typer.Option(help="Write report.html and check.json to this folder.")
    ] = None,
    json: options.Json = None,
) -> None:
    """Is my normalization right? Exits 1 if it is wrong."""
    from normscope.checking.check import check as run_check
    from normscope.reports.check_page import NUMBERS, write_check
    from normscope.studies.study_file import PAGE
    from normscope.writing import check_no_file

    if out is not None:
        check_no_file(out, PAGE, NUMBERS)
    with progress("steps") as update:
        found = run_check(**vars(chosen), on_progress=update)
    note_skipped(found.skipped)
    # First of all: whoever reads what is printed may stop reading.
    written = [] if out is None else write_check(found, out)
    write_json(found.to_json(), json)
    lines = (f"- {line.source}: {line.says}" for line in found.evidence)
    show(found.sentence, "", *lines, json_target=json)
    if written:
        show(f"Written: {', '.join(map(str, written))}", json_target=json)
    if found.verdict == "wrong" or (found.verdict == "cannot tell" and chosen.strict):
        raise typer.Exit(WRONG)
    if found.verdict == "cannot tell":
        note("Nothing can be told, so the exit status is 0; --strict makes it 1.")
