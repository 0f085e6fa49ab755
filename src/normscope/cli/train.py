"""``normscope train``: one trial."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from normscope.cli import options
from normscope.cli.output import note, note_source, show, write_json
from normscope.progress import progress
from normscope.trials.options import TrainOptions

if TYPE_CHECKING:
    from normscope.images.decoded import DecodedSource
    from normscope.trials.result import Epoch, FinishedTrial

EXAMPLE = "Example: normscope train mnist --epochs 1 --mean 0.1307 --std 0.3081"


@options.expanded
def train(chosen: TrainOptions, *, json: options.Json = None) -> None:
    """What accuracy does one normalization give? Train one model and test it."""
    from normscope.trials.preparation import chosen_recipe
    from normscope.trials.result import DIVERGED
    from normscope.trials.single import train as train_one

    total = chosen_recipe(chosen).epochs
    with ExitStack() as decoding, progress("epochs") as update:
        on_image = decoding.enter_context(progress("images"))

        def on_source(source: DecodedSource) -> None:
            decoding.close()  # two bars cannot be drawn at once
            note_source(source)
            update(0, total)

        def on_epoch(epoch: Epoch) -> None:
            update(epoch.epoch, total)

        finished = train_one(
            **vars(chosen), on_image=on_image, on_source=on_source, on_epoch=on_epoch
        )
    show(finished.sentence, json_target=json)
    if finished.result.diverged:
        note(DIVERGED)
    write_json(_as_json(finished), json)


def _as_json(finished: FinishedTrial) -> dict[str, object]:
    from normscope.margin import MARGIN

    result = finished.result
    # The curve is of the split that the recipe chooses on, which need not be the tested one.
    reached = result.steps_to(result.curve[-1][1] - MARGIN) if result.curve else None
    return {
        **result.to_json(),
        "steps_to": reached,
        "specification": finished.spec.to_json(),
    }
