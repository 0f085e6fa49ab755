"""``normscope detect``: which normalization a checkpoint was trained with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from normscope.cli import options
from normscope.cli.output import show, write_json
from normscope.cli.progress import progress
from normscope.detection.detection_result import confidence_text
from normscope.detection.options import DetectOptions
from normscope.wording import channels_text, counted

if TYPE_CHECKING:
    from normscope.detection.detection_result import Detection

EXAMPLE = "Example: normscope detect resnet20 --weights FILE --images photos/"

MOST_SHOWN = 8


@options.expanded
def detect(chosen: DetectOptions, *, json: options.Json = None) -> None:
    """Which normalization was this checkpoint trained with?"""
    from normscope.detection.detecting import detect as find
    from normscope.detection.detection_result import Detection

    with progress("hypotheses") as update:
        found = find(**vars(chosen), on_progress=update)
    show(found.sentence, json_target=json)
    if isinstance(found, Detection):
        show(_candidates(found), _constants(found), *_sentences(found), json_target=json)
    write_json(found.to_json(), json)


def _candidates(found: Detection) -> Table:
    table = Table("candidate", "mean", "std", "misfit", "confidence", box=box.SIMPLE_HEAD)
    ordered = sorted(found.candidates, key=lambda c: (-round(c.confidence, 3), c.score))
    for ranked in ordered[:MOST_SHOWN]:
        normalization = ranked.candidate.normalization
        table.add_row(
            ranked.candidate.name,
            channels_text(normalization.mean),
            channels_text(normalization.std),
            f"{ranked.score:.2g}",
            confidence_text(ranked.confidence),
        )
    table.add_row("none of the known", "", "", "", confidence_text(found.none_of_them))
    return table


def _constants(found: Detection) -> Table:
    fitted = found.fitted
    table = Table("channel", "mean", "90 % interval", "std", "90 % interval", box=box.SIMPLE_HEAD)
    for channel, (mean, std) in enumerate(
        zip(fitted.normalization.mean, fitted.normalization.std, strict=True)
    ):
        table.add_row(
            found.order[channel].upper() if found.order else str(channel),
            f"{mean:.4f}",
            "{:.4f} to {:.4f}".format(*fitted.mean_interval[channel]),
            f"{std:.4g}",
            "{:.4g} to {:.4g}".format(*fitted.std_interval[channel]),
        )
    return table


def _sentences(found: Detection) -> list[str]:
    read = f"{found.batchnorm}, which reads {found.layer}," if found.layer else found.batchnorm
    order = ""
    if found.order is not None:
        sure = confidence_text(found.order_confidence or 0.0)
        order = f" Order of channels: {found.order} (confidence {sure})."
    known = "given" if found.augmentation_given else "which fits best of those tried"
    return [
        (
            f"From what {read} kept of its training, compared on {counted(found.images, 'image')}. "
            "Pixels: "
            f"{found.pixels}.{order} Augmentation: {found.augmentation} ({known})."
        ),
        *found.notes,
    ]
