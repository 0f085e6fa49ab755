from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from benchmarks.published_grid import MEANS, STDS, STEPS, Step, export_all, import_all, plan, run

from benchmarks import published_grid
from normscope.errors import NormscopeError, SpecificationDiffers
from normscope.studies.axis import Axis
from normscope.studies.executors import in_process
from normscope.studies.specification import ScanSpec
from normscope.studies.study import Study
from tests.studies.made_results import made_result

SMALL = {"source": "digits", "epochs": 1, "train_images": 50, "recipe": "lenet"}
FEW = {**SMALL, "mean": "0,0.5", "std": "0.1,1:log"}
SMALL_STEPS = (
    Step("grid", "a few, seed 0", {**FEW, "seeds": 1}),
    Step("grid", "seeds 1 and 2", {**FEW, "seeds": 3}),
    Step("article", "from another seed", {**FEW, "seeds": 1, "first_seed": 1998}),
    Step(
        "all-cells", "more cells",
        {**SMALL, "mean": "0,0.25,0.5", "std": "0.1,0.3,1:log", "seeds": 1}, adopts="grid",
    ),
)  # fmt: skip
NAMES = ("grid", "article", "all-cells")
WHOLE = {"grid": 15, "article": 5, "all-cells": 10}
"""0/1 is a cell and a reference, so a seed of four cells has five trials."""


def finished(folder):
    """The results by study and trial, each trial once."""
    found = {}
    for name in NAMES:
        study = Study.find(folder / name)
        trials = study.every_trial() if study else []
        results = {(name, trial.spec.key()): trial.result for trial in trials}
        assert len(results) == len(trials)
        found |= results
    return found


def counts(folder):
    return {name: len(Study.open(folder / name).every_trial()) for name in NAMES}


def begin(folder, *more):
    command = [sys.executable, "-m", "tests.studies.test_published_grid", str(folder), *more]
    return subprocess.Popen(command, env=os.environ, stdout=subprocess.PIPE, text=True)


def end_after(process, lines, number):
    """End a run when it has told of so many finished trials; what it said."""
    said = [process.stdout.readline() for _ in range(lines)]
    time.sleep(0.05)
    process.send_signal(number)
    start = time.monotonic()
    said += process.stdout.read().splitlines()
    process.wait()
    assert time.monotonic() - start < 2
    return said


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(published_grid, "STEPS", SMALL_STEPS)
    monkeypatch.setattr(in_process, "run_trial", made_result)


def test_the_steps_have_the_published_points():
    few = [Axis.parse(name, published_grid.EVERY_SECOND[name]) for name in ("mean", "std")]
    assert [axis.values for axis in few] == [MEANS.values[::2], STDS.values[::2]]
    assert few[1].log
    assert (len(MEANS.values), len(STDS.values)) == (15, 15)
    assert [step.name for step in STEPS] == ["grid", "grid", "article", "all-cells", "batchnorm"]


@pytest.mark.thorough
def test_killed_three_times_and_gone_on_with_elsewhere(tmp_path, small):
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    kept = {}
    for signal_number in (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
        with begin(here) as process:
            end_after(process, 6, signal_number)
        found = finished(here)
        assert kept.items() <= found.items()
        assert len(found) > len(kept)
        kept = found
    export_all(here, tmp_path / "copy")
    shutil.rmtree(here)
    with begin(elsewhere, str(tmp_path / "copy")) as process:
        said, _ = process.communicate()
    assert process.returncode == 0
    assert said.splitlines()[-1] == "The run is whole."
    assert kept.items() <= finished(elsewhere).items()
    assert counts(elsewhere) == WHOLE


def another_specification(grid):
    text = (grid / "study.toml").read_text(encoding="utf-8")
    (grid / "study.toml").write_text(text.replace("epochs = 1", "epochs = 2"), encoding="utf-8")


@pytest.mark.parametrize(
    "damage",
    [
        lambda grid: (grid / "study.toml").unlink(),
        lambda grid: (grid / "trials.jsonl.xz").unlink(),
        another_specification,
    ],
    ids=["no specification", "no trials", "of another"],
)
def test_an_export_that_is_not_whole_is_refused(tmp_path, small, damage):
    run(tmp_path / "run", 1, SMALL_STEPS[:1])
    export_all(tmp_path / "run", tmp_path / "copy")
    damage(tmp_path / "copy" / "grid")
    with pytest.raises(NormscopeError) as error:
        import_all(tmp_path / "copy", tmp_path / "new")
    assert str(error.value) == (
        f"{tmp_path / 'copy' / 'grid'} must hold a study and its trials as --export wrote them, "
        "got other files. Copy the folder again."
    )
    assert not (tmp_path / "new").exists()


def test_an_export_that_is_not_there_is_refused(tmp_path, small):
    with pytest.raises(NormscopeError) as error:
        import_all(tmp_path / "copy", tmp_path / "new")
    assert str(error.value) == (
        f"--import must be a folder that --export wrote, got {tmp_path / 'copy'} without a study. "
        "Give that folder."
    )


def test_an_export_of_no_run_is_refused(tmp_path, small):
    with pytest.raises(NormscopeError) as error:
        export_all(tmp_path / "run", tmp_path / "copy")
    assert str(error.value) == (
        f"--folder must hold a run to export, got {tmp_path / 'run'} without a study. Give its "
        "folder."
    )
    assert not (tmp_path / "copy").exists()


def test_an_export_never_loses_what_an_older_one_has(tmp_path, small):
    run(tmp_path / "more", 1, SMALL_STEPS[:3])
    export_all(tmp_path / "more", tmp_path / "copy")
    run(tmp_path / "fewer", 1, SMALL_STEPS[:1])
    before = finished(tmp_path / "copy")
    with pytest.raises(NormscopeError) as error:
        export_all(tmp_path / "fewer", tmp_path / "copy")
    assert str(error.value) == (
        f"--export must lose no trials, got {tmp_path / 'copy' / 'grid'} with 10 that the run has "
        "not. Take them over by --import, or choose another folder."
    )
    assert finished(tmp_path / "copy") == before
    import_all(tmp_path / "copy", tmp_path / "fewer")
    export_all(tmp_path / "fewer", tmp_path / "copy")
    assert finished(tmp_path / "copy").keys() == before.keys()


def test_an_export_of_another_run_is_refused(tmp_path, small, monkeypatch):
    run(tmp_path / "run", 1, SMALL_STEPS[:1])
    export_all(tmp_path / "run", tmp_path / "copy")
    other = [Step("grid", "longer", {**FEW, "seeds": 1, "epochs": 2})]
    run(tmp_path / "other", 1, other)
    with pytest.raises(SpecificationDiffers, match="must hold a study of the same specification"):
        import_all(tmp_path / "copy", tmp_path / "other")
    run(tmp_path / "run", 1, SMALL_STEPS[:2])  # a larger one takes what it has not
    import_all(tmp_path / "copy", tmp_path / "run")
    assert len(Study.open(tmp_path / "run" / "grid").every_trial()) == WHOLE["grid"]


def test_what_it_says(tmp_path, small, capsys):
    run(tmp_path, 1, SMALL_STEPS[:1])
    lines = [line[20:] for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "step 1 of 1, a few, seed 0: 0 of 5 trials done, 5 left"
    assert lines[-2:] == [
        "step 1 of 1, a few, seed 0: 5 of 5 trials done, 0 left, about 0.0 h",
        "",
    ]


def test_a_later_step_takes_over_what_the_first_has(tmp_path, small, monkeypatch):
    run(tmp_path, 1, SMALL_STEPS[:3])
    ran = []
    monkeypatch.setattr(in_process, "run_trial", lambda s, _: ran.append(s) or made_result(s))
    run(tmp_path, 1, SMALL_STEPS)
    assert len(ran) == 10 - 5
    assert counts(tmp_path) == WHOLE


def test_an_import_takes_over_in_both_directions(tmp_path, small):
    run(tmp_path / "more", 1, SMALL_STEPS)
    run(tmp_path / "fewer", 1, SMALL_STEPS[:1])
    for name in ("more", "fewer"):
        export_all(tmp_path / name, tmp_path / f"{name}-copy")
    import_all(tmp_path / "fewer-copy", tmp_path / "more")
    assert counts(tmp_path / "more") == WHOLE
    import_all(tmp_path / "more-copy", tmp_path / "fewer")
    assert finished(tmp_path / "fewer").keys() == finished(tmp_path / "more").keys()
    read = ScanSpec.read_toml(tmp_path / "fewer" / "grid" / "study.toml")
    assert read == plan(SMALL_STEPS[1], tmp_path / "more").specification


def test_the_folder_lies_outside_the_checkout(monkeypatch):
    inside = published_grid.CHECKOUT / "runs"
    monkeypatch.setattr(sys, "argv", ["published_grid", "--folder", str(inside)])
    with pytest.raises(NormscopeError) as error:
        published_grid.main()
    assert str(error.value) == (
        f"--folder must lie outside the checkout {published_grid.CHECKOUT}, got {inside}. "
        "Choose another."
    )


def main() -> None:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    folder, *copies = map(Path, sys.argv[1:])
    published_grid.STEPS = SMALL_STEPS
    in_process.run_trial = lambda spec, source: made_result(spec, source, seconds=0.1)
    for copy in copies:
        import_all(copy, folder)
    run(folder, 1, SMALL_STEPS)


if __name__ == "__main__":
    main()
