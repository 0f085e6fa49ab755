"""``normscope train``: one trial."""

from __future__ import annotations

from typing import TYPE_CHECKING

from normscope.cli import options
from normscope.cli.output import note, note_source, show, write_json
from normscope.cli.progress import progress
from normscope.trials.options import TrainOptions
from normscope.wording import counted

if TYPE_CHECKING:
    from normscope.trials.result import Epoch, FinishedTrial, TrialResult

EXAMPLE = "Example: normscope train mnist --epochs 1 --mean 0.1307 --std 0.3081"


@options.expanded
def train(chosen: TrainOptions, *, json: options.Json = None) -> None:
    """What accuracy does one normalization give? Train one model and test it."""
    from normscope.trials.preparation import chosen_recipe
    from normscope.trials.single import train as train_one

    total = chosen_recipe(chosen).epochs
    with progress("epochs") as update:

        def on_epoch(epoch: Epoch) -> None:
            update(epoch.epoch, total)

        finished = train_one(**vars(chosen), on_source=note_source, on_epoch=on_epoch)
    show(_sentence(finished), json_target=json)
    if finished.result.diverged:
        note("The run diverged: a loss or an output is no longer finite.")
    write_json(_as_json(finished), json)


def _sentence(finished: FinishedTrial) -> str:
    spec, result = finished.spec, finished.result
    under = f"{spec.model} on {spec.source} under {spec.normalization:.4g}"
    if not spec.recipe.trains:
        return (
            f"{under}, frozen, not trained: accuracy {result.accuracy:.4f} on "
            f"{counted(result.test_images, 'image')} in {result.seconds:.1f} s."
        )
    epochs = len(result.history)
    return (
        f"{under}, recipe {spec.recipe.name}, {counted(epochs, 'epoch')}, "
        f"seed {spec.seed}: test accuracy {result.accuracy:.4f} in {result.seconds:.1f} s. "
        f"{_fate(result)}"
    ).rstrip()


def _fate(result: TrialResult) -> str:
    if result.outcome == "learned":
        return "It learned, and changed little in the last third of its epochs."
    if result.outcome == "still learning":
        return "Its curve has not settled: more --epochs may raise the accuracy."
    if result.outcome == "stuck":
        return f"It is stuck: no better than always giving one answer ({result.chance:.4f})."
    if result.outcome == "died":
        return (
            f"It died within {counted(result.died_at or 0, 'step')}: its answer no longer depends "
            "on the image, and no further step can change that."
        )
    # That it diverged is said on standard error, with --json too.
    return ""


def _as_json(finished: FinishedTrial) -> dict[str, object]:
    from normscope.trials.outcome import MARGIN

    result = finished.result
    # The curve is of the split that the recipe chooses on, which need not be the tested one.
    reached = result.steps_to(result.curve[-1][1] - MARGIN) if result.curve else None
    return {
        **result.to_json(),
        "steps_to": reached,
        "specification": finished.spec.to_json(),
    }
