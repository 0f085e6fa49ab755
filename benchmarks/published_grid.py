"""The published LeNet grid, run for real: its own points, 30 epochs, all images, several seeds.

``python -m benchmarks.published_grid --folder FOLDER`` goes on with whatever is there, study by
study, until all are whole, at the lowest priority. It may be ended at any time, with SIGTERM or
harder: finished trials are kept. ``--export COPY`` writes what is finished as small files, also
while it runs elsewhere; ``--import COPY`` takes them over before it goes on, on any machine.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna

from normscope.errors import NormscopeError, SpecificationDiffers
from normscope.studies.axis import Axis
from normscope.studies.growing import lacking
from normscope.studies.options import Place, ScanOptions
from normscope.studies.scan import run_scan
from normscope.studies.scan_planning import PlannedScan, plan_scan
from normscope.studies.study import Study
from normscope.studies.work_loop import locked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from normscope.studies.specification import ScanSpec

CHECKOUT = Path(__file__).resolve().parents[1]
MEANS = Axis.parse("mean", "-2:3:15")
STDS = Axis.parse("std", "0.02:2:15:log")
"""The published grid's own points."""

EVERY_SECOND = {
    "mean": Axis.of("mean", MEANS.values[::2], log=False).text,
    "std": Axis.of("std", STDS.values[::2], log=True).text,
}
ALL = {"mean": MEANS.text, "std": STDS.text}
PUBLISHED_SEED = 1998


@dataclass(frozen=True)
class Step:
    """One part of the run, whole before the next begins.

    Attributes:
        name: Its study's folder; a later step with the same name makes that study grow.
        what: What it is, in a few words.
        options: What the study is, beside what all have in common.
        adopts: The study whose finished trials it takes over.
    """

    name: str
    what: str
    options: dict[str, Any] = field(default_factory=dict)
    adopts: str | None = None


STEPS = (
    Step("grid", "every second mean and std, seed 0", {**EVERY_SECOND, "seeds": 1}),
    Step("grid", "the same, seeds 1 and 2", {**EVERY_SECOND, "seeds": 3}),
    Step(
        "article", "the same by the published protocol",
        {**EVERY_SECOND, "seeds": 1, "recipe": "lenet-article", "first_seed": PUBLISHED_SEED},
    ),
    # Not by growth of the first, whose seeds 1 and 2 would have gaps until all cells had them.
    Step("all-cells", "all 225 cells, seed 0", {**ALL, "seeds": 1}, adopts="grid"),
    Step(
        "batchnorm", "LeNet with BatchNorm, 10 epochs",
        {**EVERY_SECOND, "seeds": 1, "model": "lenet-bn", "epochs": 10},
    ),
)  # fmt: skip

FIXED = {"precision": "fp32", "threads": 1}
"""The same on every machine that goes on with the run, as is its device."""


def plan(step: Step, folder: Path, device: str = "cpu") -> PlannedScan:
    """Plan one step.

    Args:
        step: The step.
        folder: The run's folder.
        device: What it is trained on, ``"cpu"`` or ``"cuda"``.

    Returns:
        Its scan, or the larger one that its study has become since.
    """
    common = {"source": "mnist", "model": "lenet", "recipe": "lenet", "device": device, **FIXED}
    planned = plan_scan(ScanOptions(**{**common, **step.options, "out": folder / step.name}))
    study = Study.find(planned.out)
    if study is not None and lacking(planned.specification, study.specification):
        return replace(planned, specification=study.specification)
    return planned.joined(study)


def run(folder: Path, processes: int, steps: Sequence[Step], device: str = "cpu") -> None:
    """Go on with the run until it is whole.

    Args:
        folder: Where it lies.
        processes: How many trials run at once on a CPU; a GPU trains those of a seed together.
        steps: What it consists of.
        device: What it is trained on, ``"cpu"`` or ``"cuda"``.
    """
    for number, step in enumerate(steps, start=1):
        planned = plan(step, folder, device)
        if step.adopts is not None and Study.find(folder / step.adopts) is not None:
            _adopt(planned, Study.open(folder / step.adopts))
        study = Study.find(planned.out)
        progress = _Progress(f"step {number} of {len(steps)}, {step.what}", planned, study)
        if planned.remaining(study):
            run_scan(planned, Place(workers=processes), progress.told)
        else:
            progress.told(len(planned.specification.trials()), len(planned.specification.trials()))
    print("The run is whole.", flush=True)


def _adopt(planned: PlannedScan, finished: Study) -> None:
    with locked(planned.out):
        Study.create(planned.out, planned.specification).adopt(finished.every_trial())


class _Progress:
    """Prints what is done, what is left and how long it takes."""

    def __init__(self, name: str, planned: PlannedScan, study: Study | None) -> None:
        self._name, self._out = name, planned.out
        self._begun_with: int | None = None
        self._start = time.monotonic()
        finished = study.every_trial() if study is not None else []
        spent = [trial.result.seconds for trial in finished]
        self._usual = sum(spent) / len(spent) if spent else None

    def told(self, done: int, total: int) -> None:
        """Print a line.

        Args:
            done: Finished trials of the step's study.
            total: Planned ones.
        """
        if self._begun_with is None:
            self._begun_with = done
        new = done - self._begun_with
        each = (time.monotonic() - self._start) / new if new else self._usual
        left = "" if each is None else f", about {(total - done) * each / 3600:.1f} h"
        print(
            f"{time.strftime('%Y-%m-%d %H:%M:%S')} {self._name}: {done} of {total} trials done, "
            f"{total - done} left{left}",
            flush=True,
        )


def export_all(folder: Path, to: Path) -> None:
    """Write every study of the run as small files.

    Args:
        folder: Where the run lies.
        to: Gets a folder for each study.

    Raises:
        NormscopeError: If there is no run, or an older copy has trials that the run has not.
    """
    names = dict.fromkeys(step.name for step in STEPS)
    studies = {name: study for name in names if (study := Study.find(folder / name)) is not None}
    if not studies:
        raise NormscopeError(
            f"--folder must hold a run to export, got {folder} without a study. Give its folder."
        )
    for name, study in studies.items():
        older = Study.find(to / name)
        lost = _keys(older) - _keys(study) if older is not None else set()
        if lost:
            raise NormscopeError(
                f"--export must lose no trials, got {to / name} with {len(lost)} that the run has "
                "not. Take them over by --import, or choose another folder."
            )
    for name, study in studies.items():
        study.export(to / name)
        print(f"{to / name}: {len(study.every_trial())} trials")


def _keys(study: Study) -> set[str]:
    return {trial.spec.key() for trial in study.every_trial()}


def import_all(source: Path, folder: Path) -> None:
    """Take over the trials of an export that the run has not.

    Args:
        source: What ``export_all`` wrote.
        folder: Where the run lies.

    Raises:
        NormscopeError: If nothing of it can be taken over, or a study of it is not whole.
        SpecificationDiffers: If a study of the run is another one.
    """
    exports = {
        name: exported
        for name in dict.fromkeys(step.name for step in STEPS)
        if (exported := _exported(source / name)) is not None
    }
    if not exports:
        raise NormscopeError(
            f"--import must be a folder that --export wrote, got {source} without a study. "
            "Give that folder."
        )
    for name, exported in exports.items():
        own = folder / name
        with locked(own):
            try:
                study = Study.create(own, exported.specification)
            except SpecificationDiffers:
                study = Study.find(own, begin=True)
                # Ours may be the larger one.
                if study is None or not _any_planned(study.specification, exported):
                    raise
            print(f"{own}: {study.adopt(exported.every_trial())} trials taken over")


def _exported(folder: Path) -> Study | None:
    """A study of an export, if it is there."""
    study = Study.find(folder)
    if (study is None and folder.exists()) or (
        study is not None and study.every_trial() and not _any_planned(study.specification, study)
    ):
        raise NormscopeError(
            f"{folder} must hold a study and its trials as --export wrote them, got other files. "
            "Copy the folder again."
        )
    return study


def _any_planned(specification: ScanSpec, study: Study) -> bool:
    return not _keys(study).isdisjoint(spec.key() for spec in specification.trials())


def main() -> None:
    """Run, export or import, as asked on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="outside the checkout")
    parser.add_argument("--processes", type=int, choices=(1, 2), default=1)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    copies = parser.add_mutually_exclusive_group()
    copies.add_argument("--export", type=Path, help="write small copies here, and end")
    copies.add_argument("--import", type=Path, dest="source", help="take trials over from here")
    given = parser.parse_args()
    folder = given.folder.resolve()
    if folder.is_relative_to(CHECKOUT):
        raise NormscopeError(
            f"--folder must lie outside the checkout {CHECKOUT}, got {folder}. Choose another."
        )
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if given.export is not None:
        export_all(folder, given.export)
        return
    os.setpriority(os.PRIO_PROCESS, 0, 19)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pid").write_text(f"{os.getpid()}\n")
    if given.source is not None:
        import_all(given.source, folder)
    run(folder, given.processes, STEPS, given.device)


if __name__ == "__main__":
    try:
        main()
    except NormscopeError as error:
        raise SystemExit(str(error)) from None
