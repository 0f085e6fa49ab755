from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from normscope import __version__
from normscope.cli.app import run
from normscope.cli.output import resumable
from tests.processes import workers_that_train

SMALL = ["--epochs", "1", "--train-images", "60"]


def test_version_names_the_commit(capsys):
    assert run(["--version"]) == 0
    assert re.fullmatch(
        rf"normscope {re.escape(__version__)}( \([0-9a-f]{{12}}(-dirty)?\))?\n",
        capsys.readouterr().out,
    )


@pytest.mark.parametrize("command", ["train", "scan", "search", "report", "audit", "detect"])
def test_help_has_an_example(capsys, command):
    assert run([command, "--help"]) == 0
    assert f"Example: normscope {command}" in capsys.readouterr().out


def test_train_prints_a_sentence(capsys):
    assert run(["train", *SMALL, "--norm", "half"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("lenet on digits under 0.5/0.5, recipe lenet, 1 epoch, seed 0: test")


def test_train_json_is_alone_on_standard_output(capsys):
    assert run(["train", *SMALL, "--mean", "0", "--std", "1", "--seed", "7", "--json", "-"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data.keys() >= {
        "accuracy", "loss", "diverged", "seconds", "precision", "device", "history",
        "specification", "environment", "first_layer", "outcome", "steps_to", "curve", "steps",
    }  # fmt: skip
    assert data["steps_to"] <= data["steps"]
    assert data["specification"]["normalization"] == "0/1"
    assert data["specification"]["seed"] == 7
    assert data["history"][0].keys() == {"epoch", "train_loss", "validation_accuracy", "seconds"}


def test_mean_0_and_std_1_are_none_to_the_last_digit(capsys):
    assert run(["train", *SMALL, "--mean", "0", "--std", "1", "--json", "-"]) == 0
    written = json.loads(capsys.readouterr().out)
    assert run(["train", *SMALL, "--norm", "none", "--json", "-"]) == 0
    named = json.loads(capsys.readouterr().out)
    for key in ("accuracy", "loss", "correct", "first_layer", "specification"):
        assert written[key] == named[key]


def test_train_says_that_it_diverged(capsys):
    assert run(["train", *SMALL, "--mean", "0", "--std", "1e-38"]) == 0
    assert "The run diverged" in capsys.readouterr().err


def test_scan_then_report(capsys, tmp_path):
    out = tmp_path / "study"
    arguments = ["--mean", "0,0.5", "--std", "0.5,1", "--seeds", "1", "--workers", "1"]
    assert run(["scan", *SMALL, *arguments, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert printed.startswith(summary["answer"])
    assert "data's own" in printed
    assert {path.name for path in out.iterdir()} >= {
        "study.db", "study.toml", "summary.json", "figures",
    }  # fmt: skip
    target = tmp_path / "again.json"
    assert run(["report", str(out), "--json", str(target)]) == 0
    assert json.loads(target.read_text(encoding="utf-8")) == summary
    assert run(["scan", "--spec", str(out / "study.toml"), "--out", str(out), "--json", "-"]) == 0
    capsys.readouterr()
    assert run(["scan", "--spec", str(out / "study.toml"), "--seeds", "2", "--epochs", "3"]) == 2
    assert capsys.readouterr().err == (
        "normscope: --spec must be given without the options that it replaces, got --seeds, "
        "--epochs. Leave them out, or edit the file.\n"
    )


def test_a_specification_alone_has_a_folder_of_its_name(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cell = ["--mean", "0.5", "--std", "0.5", "--seeds", "1", "--workers", "1"]
    assert run(["scan", *SMALL, *cell]) == 0  # in runs/digits-lenet
    (study,) = (tmp_path / "runs").iterdir()
    text = (study / "study.toml").read_text(encoding="utf-8")
    (tmp_path / "mine.toml").write_text(text.replace('std = "0.5"', 'std = "0.25"'))
    theirs = tmp_path / "published"
    theirs.mkdir()
    (theirs / "study.toml").write_text(text)
    for spec, folder in (
        (tmp_path / "mine.toml", "runs/mine"),
        (theirs / "study.toml", "runs/published"),
        (study / "study.toml", str(study)),
    ):
        capsys.readouterr()
        assert run(["scan", "--spec", str(spec), "--dry-run"]) == 0
        assert f"would run in {folder} (" in capsys.readouterr().out


def test_a_specification_cannot_choose_code(capsys, tmp_path, monkeypatch):
    out = tmp_path / "study"
    cell = ["--mean", "0.5", "--std", "0.5", "--seeds", "1", "--workers", "1"]
    assert run(["scan", *SMALL, *cell, "--out", str(out)]) == 0
    capsys.readouterr()
    theirs = tmp_path / "theirs.toml"
    written = (out / "study.toml").read_text(encoding="utf-8")
    theirs.write_text(written.replace('model = "lenet"', 'model = "stranger2:net"'))
    (tmp_path / "stranger2.py").write_text(
        "from pathlib import Path\n"
        "from normscope.models.lenet import LeNet\n"
        f"Path({str(tmp_path / 'was_run')!r}).touch()\n"
        "def net(channels, classes, image_size):\n"
        "    return LeNet(channels, classes, image_size)\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    again = ["scan", "--spec", str(theirs), "--out", str(tmp_path / "theirs"), "--dry-run"]
    for more, met in (([], "none"), (["--model", "other:net"], "other:net")):
        assert run([*again, *more]) == 2
        assert capsys.readouterr().err == (
            "normscope: the factory that the specification names must also be named by the caller "
            f"before it is imported and run, got stranger2:net in the file and {met} from the "
            "caller. If you trust it, pass --model stranger2:net.\n"
        )
    assert not (tmp_path / "was_run").exists()
    assert run([*again, "--model", "stranger2:net"]) == 0
    assert (tmp_path / "was_run").exists()
    capsys.readouterr()
    assert run(["scan", "--spec", str(out / "study.toml"), "--model", "resnet20"]) == 2
    assert capsys.readouterr().err == (
        "normscope: the model must be the one that the specification names, lenet, got resnet20. "
        "Leave it out.\n"
    )


def test_survival_alone_then_full_trainings_on_the_same_folder(capsys, tmp_path):
    out = tmp_path / "study"
    cells = ["scan", *SMALL, "--mean", "0.5", "--std", "0.5", "--workers", "1", "--out", str(out)]
    alone = [*cells, "--seeds", "0", "--survival", "2"]
    assert run([*alone, "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith(
        f"6 trials would run in {out} (0 are finished): 1 mean x 1 std and the references, "
        "2 seeds for survival alone.\n"
    )
    assert run([*alone, "--json", "-"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["trials"], data["survival_trials"], data["verdict"]) == (0, 6, "unsettled")
    assert sum(cell["trainings"] for cell in data["cells"]) == 6
    assert data["best"] is None
    assert run(alone) == 0
    assert capsys.readouterr().out.startswith("Not settled: ")
    assert run([*cells, "--seeds", "1", "--survival", "2", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["trials"] == 3


def test_dry_run_trains_nothing(capsys, tmp_path):
    out = tmp_path / "study"
    assert run(["scan", *SMALL, "--dry-run", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"81 trials would run in {out} (0 are finished)")
    assert re.search(r"About .+ on \d+ workers?, and \d+\.\d MB of disk\.", printed)
    assert not out.exists()
    assert run(["scan", *SMALL, "--dry-run", "--out", str(out), "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["trials"] == 81


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_interrupted_it_exits_130_and_keeps_what_was_finished(tmp_path):
    out = tmp_path / "study"
    command = [
        sys.executable, "-m", "normscope", "scan", "--epochs", "100000", "--workers", "2",
        "--out", str(out),
    ]  # fmt: skip
    with subprocess.Popen(
        command, env=os.environ, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as scan:
        try:
            workers_that_train(scan.pid)
            os.killpg(scan.pid, signal.SIGINT)
            _, errors = scan.communicate(timeout=60)
        finally:
            if scan.poll() is None:
                os.killpg(scan.pid, signal.SIGKILL)
    assert scan.returncode == 130
    assert errors.endswith(
        "No trial has finished; run the same command to begin again.\nnormscope: interrupted.\n"
    )
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("finished", "storage", "said"),
    [
        ([], None, "No trial has finished; run the same command to begin again.\n"),
        ([0], None, "No trial has finished; run the same command to begin again.\n"),
        ([0, 1], None, "1 finished trial is kept in runs/a; run the same command to resume.\n"),
        (
            [7],
            "postgresql://me:secret@host/db",
            "7 finished trials are kept in the database of --storage; run the same command to "
            "resume.\n",
        ),
    ],
)
def test_an_interruption_says_what_is_kept(finished, storage, said, capsys):
    told = []
    with (
        pytest.raises(KeyboardInterrupt),
        resumable(Path("runs/a"), storage, lambda *counts: told.append(counts)) as noted,
    ):
        for done in finished:
            noted(done, 9)
        raise KeyboardInterrupt
    assert told == [(done, 9) for done in finished]
    assert capsys.readouterr().err == said


def test_unreadable_images_are_listed_and_strict_fails(capsys, class_folders):
    for number in range(11 - 4):
        (class_folders / "train" / "cats" / f"{number}.png").write_bytes(b"")
    for number in range(5):
        (class_folders / "train" / "dogs" / f"{number}.png").write_bytes(b"x")
    arguments = ["train", str(class_folders), "--epochs", "1"]
    assert run(arguments) == 0
    errors = capsys.readouterr().err
    assert errors.startswith("12 unreadable images were skipped:\n")
    assert f"{class_folders / 'train' / 'cats' / '0.png'}: an empty file" in errors
    assert errors.endswith("  and 2 more\n")
    assert run([*arguments, "--strict"]) == 1
