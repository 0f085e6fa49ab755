"""``normscope detect``: which normalization a checkpoint was trained with."""

from __future__ import annotations

from normscope.cli import options
from normscope.cli.output import PlainTable, show, write_json
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
        texts = (found.candidate_table(), found.constants_table())
        tables = (PlainTable(*text) for text in texts)
        show(*tables, *found.reasons, json_target=json)
    write_json(found.to_json(), json)
