from __future__ import annotations

import itertools
import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import optuna
import pytest

from normscope.errors import SpecificationDiffers
from normscope.studies.axis import Axis
from normscope.studies.estimate import estimate
from normscope.studies.executors import in_process
from normscope.studies.growing import grown
from normscope.studies.options import Place
from normscope.studies.scan import run_scan, scan
from normscope.studies.scan_planning import plan_again, plan_scan
from normscope.studies.specification import SURVIVAL_SEEDS, ScanSpec
from normscope.studies.study import Study
from normscope.trials.recipe import FROZEN
from tests.studies.made_results import made_result, with_trial
from tests.studies.test_scan import trials_in


@pytest.fixture
def ran(monkeypatch):
    """Trials that ran, each with a made result."""
    seen = []

    def run(spec, source):
        seen.append(spec)
        return made_result(spec, source)

    monkeypatch.setattr(in_process, "run_trial", run)
    return seen


def whole(study: Study) -> bool:
    """Whether every planned trial is there once, and nothing else is."""
    keys = [trial.spec.key() for trial in study.every_trial()]
    return sorted(keys) == sorted(spec.key() for spec in study.specification.trials())


GROWTHS = [
    {"seeds": 4},
    {"std": "0.1:1:5:log"},
    {"mean": "-1,0,0.5"},
    {"survival": 2},
    {"mean": "-1:1:9", "std": "0.05,0.1,0.31622776601683794,1",
     "seeds": 3, "survival": 1},
]  # fmt: skip


@pytest.mark.parametrize("more", GROWTHS, ids="-".join)
def test_only_what_is_new_runs(small_options, ran, more):
    first = run_scan(plan_scan(small_options), Place(workers=1))
    kept = {trial.spec.key(): trial.result for trial in first.trials()}
    ran.clear()
    larger = plan_scan(replace(small_options, **more))
    expected = estimate(larger, workers=1) if more == {"seeds": 4} else None
    ran.clear()
    seen = []
    study = run_scan(larger, Place(workers=1), on_progress=lambda *numbers: seen.append(numbers))
    assert whole(study)
    new = len(study.specification.trials()) - len(kept)
    assert len(ran) == new == len(seen) - 1
    assert seen[0] == (len(kept), len(kept) + new)
    assert not {spec.key() for spec in ran} & set(kept)
    after = {trial.spec.key(): trial.result for trial in study.every_trial()}
    assert kept.items() <= after.items()
    if expected is not None:
        assert (expected.trials, expected.finished) == (new, len(kept))
    # All of it is on disk, the file for people too, and asking again runs nothing.
    again = Study.open(small_options.out)
    assert again.specification == study.specification
    assert ScanSpec.read_toml(small_options.out / "study.toml") == study.specification
    ran.clear()
    run_scan(larger, Place(workers=1))
    run_scan(plan_again(study.specification, small_options.out), Place(workers=1))
    assert not ran


def test_a_study_that_has_grown_still_opens_for_optuna(small_options, ran, optunas_own):
    run_scan(plan_scan(small_options), Place(workers=1))
    run_scan(
        plan_scan(replace(small_options, std="0.05,0.1,0.5,0.31622776601683794,1,3", seeds=3)),
        Place(workers=1),
    )
    storage = optunas_own(f"sqlite:///{small_options.out}/study.db")
    study = optuna.load_study(study_name=None, storage=storage)
    frame = study.trials_dataframe()
    assert len(frame) == len(ran)
    assert set(frame["params_std"].dropna()) >= {0.05, 0.1, 0.5, 1.0, 3.0}
    assert set(frame["params_seed"]) == {0, 1, 2}
    # A trial of Optuna's own is still taken, on the same scale as before.
    trial = study.ask()
    assert 0.05 <= trial.suggest_float("std", 0.05, 3, log=True) <= 3


def test_floats_of_finished_trials_are_kept(small_plan):
    begun = replace(small_plan.specification, mean=Axis.parse("mean", "-2:3:15"))
    text = ",".join(f"{v:.12g}" for v in np.linspace(-2, 3, 15)) + ",3.5"
    wanted = replace(begun, mean=Axis.parse("mean", text))
    assert not set(begun.mean.values) <= set(wanted.mean.values)
    axis = grown(wanted, begun, small_plan.out).mean
    assert axis.values == (*begun.mean.values, 3.5)
    assert Axis.parse("mean", axis.text) == axis
    assert grown(replace(begun, mean=wanted.mean), begun, small_plan.out).mean == axis


def test_the_scale_stays_and_the_text_says_so(small_plan):
    wanted = replace(small_plan.specification, std=Axis.parse("std", "0.1,0.316227766017,0.7,1"))
    axis = grown(wanted, small_plan.specification, small_plan.out).std
    assert axis.log
    assert axis.text == "0.1,0.31622776601683794,0.7,1.0:log"
    assert Axis.parse("std", axis.text) == axis


def test_the_same_values_written_otherwise_are_the_same_study(small_plan):
    begun = small_plan.specification
    wanted = replace(begun, std=Axis.parse("std", "0.1,0.316227766017,1"))
    assert grown(wanted, begun, small_plan.out) == begun


def test_tiny_stds_are_not_the_same(small_plan):
    begun = replace(small_plan.specification, std=Axis.parse("std", "1e-38,1"))
    wanted = replace(begun, std=Axis.parse("std", "1e-38,1e-30,1"))
    assert grown(wanted, begun, small_plan.out).std.values == (1e-38, 1e-30, 1.0)


def test_less_than_there_is(small_plan):
    begun = replace(small_plan.specification, survival=3)
    Study.create(small_plan.out, begun)
    wanted = replace(
        begun, seeds=1, survival=0, std=Axis.parse("std", "0.1,1,2"), mean=Axis.parse("mean", "0.5")
    )
    for attempt in (
        lambda: Study.create(small_plan.out, wanted),
        lambda: estimate(replace(small_plan, specification=wanted), workers=1),
    ):
        with pytest.raises(SpecificationDiffers) as error:
            attempt()
        assert str(error.value) == (
            f"{small_plan.out} must be given all that its study has, and may be given more, got "
            "less: seeds 1 (it has 2); survival 0 (it has 3); mean 0.5 (it also has 0); std "
            "0.1,1,2 (it also has 0.316228). Ask for all of it, or choose another --out."
        )
    assert Study.open(small_plan.out).specification == begun


def test_what_is_no_growth_is_named_alone(small_plan):
    begun = small_plan.specification
    wanted = with_trial(
        replace(begun, seeds=5), seed=7, recipe=replace(begun.trial.recipe, epochs=2)
    )
    with pytest.raises(SpecificationDiffers) as error:
        grown(wanted, begun, small_plan.out)
    assert str(error.value) == (
        f"{small_plan.out} must hold a study of the same specification, got another: "
        "first_seed 7 (begun with not given); recipe.epochs 2 (begun with 1). Choose another "
        "--out or repeat the first call."
    )
    frozen = with_trial(replace(begun, seeds=1), recipe=FROZEN)
    with pytest.raises(SpecificationDiffers, match=r"got another: recipe\.name frozen"):
        grown(frozen, begun, small_plan.out)


def test_another_axis_is_another_study(small_plan):
    begun = small_plan.specification
    wanted = replace(begun, channel_axes=(Axis.parse("mean-r", "0,1"),))
    with pytest.raises(SpecificationDiffers, match=r"channel_axes\.mean-r 0,1 \(begun with not"):
        grown(wanted, begun, small_plan.out)


def test_cut_off_at_every_step_of_growth(small_options, ran, monkeypatch):
    """Growth writes twice; whatever is lost of it, the study opens and the same call goes on."""
    run_scan(plan_scan(small_options), Place(workers=1))
    kept = {trial.spec.key() for trial in Study.open(small_options.out).trials()}
    larger = plan_scan(replace(small_options, seeds=3, std="0.1:1:5:log"))

    def cut(*_arguments):
        raise KeyboardInterrupt

    for name in ("normscope.studies.study.write_text", "optuna.Study.set_user_attr"):
        with monkeypatch.context() as patch:
            patch.setattr(name, cut)
            with pytest.raises(KeyboardInterrupt):
                run_scan(larger, Place(workers=1))
        assert {trial.spec.key() for trial in Study.open(small_options.out).trials()} == kept
    # The file is ahead of the database now; the first call still makes both the same.
    run_scan(plan_scan(small_options), Place(workers=1))
    begun = Study.open(small_options.out).specification
    assert ScanSpec.read_toml(small_options.out / "study.toml") == begun
    assert whole(run_scan(larger, Place(workers=1)))


@pytest.mark.thorough
def test_killed_while_it_grows(tmp_path):
    """Six growths, one after another, each killed after its first trials, then one to the end."""
    out = tmp_path / "grown"
    base = {"mean": "0,0.5", "std": "0.1,1:log", "epochs": 1, "train_images": 50, "seeds": 1}
    growths = [
        {}, {"seeds": 2}, {"seeds": 2, "std": "0.1,0.3,1:log"}, {"seeds": 2, "std": "0.1,0.3,1,2",
        "survival": 1}, {"seeds": 3, "std": "0.1,0.3,1,2", "survival": 2, "mean": "0,0.25,0.5"},
    ]  # fmt: skip
    kept: dict[str, object] = {}
    for more, goes_on in itertools.product(growths, (True, False)):
        last = more == growths[-1] and not goes_on
        command = [
            sys.executable, "-m", "tests.studies.made_results", str(out),
            json.dumps({**base, **more}), "0.02" if last else "0.2",
        ]  # fmt: skip
        if not goes_on and not last:
            continue
        with subprocess.Popen(command, env=os.environ) as scan:
            wanted = trials_in(out / "study.db") + 2
            while not last and trials_in(out / "study.db") < wanted and scan.poll() is None:
                time.sleep(0.01)
            if not last:
                scan.send_signal(signal.SIGKILL)
        found = {trial.spec.key(): trial.result for trial in Study.open(out).every_trial()}
        assert len(found) == len(Study.open(out).every_trial()) >= len(kept) + (0 if last else 2)
        assert kept.items() <= found.items()
        kept = found
    assert scan.returncode == 0
    study = Study.open(out)
    assert whole(study)
    assert study.specification.mean.values == (0.0, 0.25, 0.5)
    assert study.specification.std.log
    assert len(study.survival_trials()) == 2 * len(study.specification.normalizations())
    assert {trial.spec.seed for trial in study.survival_trials()} == {
        SURVIVAL_SEEDS, SURVIVAL_SEEDS + 1
    }  # fmt: skip


@pytest.mark.parametrize("how", ["export", "database"])
def test_a_study_from_another_machine_knows_its_cells(tmp_path, monkeypatch, how):
    """NumPy's vector instructions space a log axis otherwise there, in the last digit."""
    axis = Axis.parse("std", "0.02:2:5:log")
    other = tuple(math.nextafter(v, 9) if 0.02 < v < 2 else v for v in axis.values)
    call = {"mean": "0.1", "epochs": 1, "train_images": 64, "seeds": 1, "workers": 1}
    with monkeypatch.context() as there:
        there.setattr(np, "geomspace", lambda *_: np.array(other))
        study = scan("digits", std="0.02:2:5:log", out=tmp_path / "study", **call)
        if how == "export":
            study.export(tmp_path / "copy")
    folder = tmp_path / ("copy" if how == "export" else "study")
    here = Study.open(folder)
    assert here.specification.std.values == other
    assert {trial.spec.key() for trial in here.trials()} == {
        spec.key() for spec in here.specification.trials()
    }
    again = scan("digits", std="0.02:2:5:log", out=folder, **call)
    assert len(again.trials()) == len(study.trials()) == 7
