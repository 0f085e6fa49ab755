"""What a command imports as it starts: as little as makes its answer."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file

import normscope
from normscope.cli.app import run
from normscope.models.lenet import LeNet

SAY_MODULES = """
import sys
from normscope.cli.app import run
status = run(sys.argv[1:])
print(*sorted(sys.modules), file=sys.stderr)
sys.exit(status)
"""


def _modules(*arguments):
    done = subprocess.run(
        [sys.executable, "-c", SAY_MODULES, *arguments], capture_output=True, text=True, timeout=60
    )
    return done.returncode, set(done.stderr.split())


def test_the_options_of_other_commands_are_not_read():
    status, modules = _modules("stats", "digits", "--split", "train")
    assert status == 0
    assert "normscope.cli.stats" in modules
    assert not modules & {f"normscope.cli.{name}" for name in ("article", "audit", "scan", "train")}


def test_an_audit_of_images_of_the_right_size_imports_torch_but_no_torchvision(tmp_path):
    save_file(LeNet().state_dict(), tmp_path / "lenet.safetensors")
    Image.fromarray(np.arange(784, dtype=np.uint8).reshape(28, 28)).save(tmp_path / "0.png")
    weights = str(tmp_path / "lenet.safetensors")
    call = ["audit", "lenet", "--weights", weights, "--norm", "mnist", "--images", str(tmp_path)]
    status, modules = _modules(*call, "--resize", "28", "--crop", "28")
    assert status == 0
    assert "torch" in modules
    assert not modules & {"torchvision", "matplotlib", "scipy.stats", "scipy.optimize", "optuna"}


def _on_a_terminal(*arguments):
    """What a command says on standard error where that is a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "normscope", *arguments], stderr=theirs, stdout=subprocess.DEVNULL
    ) as running:
        os.close(theirs)
        said = b""
        try:
            while part := os.read(ours, 1024):
                said += part
        except OSError:  # nobody writes any more
            pass
        running.wait(60)
    os.close(ours)
    return said.decode().splitlines()


def test_whoever_waits_for_torch_is_told_so():
    refused = "normscope: lenet must be given its weights, got none. Pass --weights FILE."
    call = ["fold", "lenet", "--norm", "half", "-o", "x.onnx"]
    assert _on_a_terminal(*call) == ["Loading torch ...", refused]
    done = subprocess.run(
        [sys.executable, "-m", "normscope", *call], capture_output=True, text=True, timeout=60
    )
    assert done.stderr == f"{refused}\n"


def test_what_needs_no_torch_does_not_speak_of_it():
    assert "Loading torch ..." not in _on_a_terminal("stats", "digits", "--split", "train")


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--version"], []])
def test_without_a_command_all_are_listed(arguments):
    _, modules = _modules(*arguments)
    assert {f"normscope.cli.{name}" for name in ("article", "audit", "scan", "train")} <= modules


@pytest.mark.parametrize(
    ("short", "long"),
    [
        (["-V"], ["--version"]),
        (["version"], ["--version"]),
        (["help"], ["--help"]),
        (["help", "scan"], ["scan", "--help"]),
    ],
)
def test_the_words_of_other_tools_do_the_same(short, long, capsys):
    assert run(long) == 0
    expected = capsys.readouterr().out
    assert run(short) == 0
    assert capsys.readouterr().out == expected


def test_completion_in_python_shows_the_public_names():
    assert dir(normscope) == sorted(normscope.__all__)
