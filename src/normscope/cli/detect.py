"""``normscope detect``: which normalization a checkpoint was trained with."""

from __future__ import annotations

from rich import box
from rich.table import Table

from normscope.cli import options
from normscope.cli.output import show, write_json
from normscope.detection.options import DetectOptions
from normscope.progress import progress

EXAMPLE = "Example: normscope detect resnet20 --weights FILE --images photos/"


@options.expanded
def detect(chosen: DetectOptions, *, json: options.Json = None) -> None:
    """Which normalization was this checkpoint trained with?"""
    from normscope.detection.detecting import detect as find
    from normscope.detection.detection_result import Detection

    with progress("hypotheses") as update:
        found = find(**vars(chosen), on_progress=update)
    show(found.sentence, json_target=json)
    if isinstance(found, Detection):
        tables = [_table(*texts) for texts in (found.candidate_table(), found.constants_table())]
        show(*tables, *found.reasons, json_target=json)
    write_json(found.to_json(), json)


def _table(headings: list[str], rows: list[list[str]]) -> Table:
    table = Table(*headings, box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(*row)
    return table
