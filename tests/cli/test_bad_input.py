"""Every wrong call gets its one sentence and exit status 2."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import socket
import subprocess
import sys

import pytest

from normscope.cli.app import run

SMALL = ["--epochs", "1", "--train-images", "60"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["train", "--mean", "0", "--std", "0"],
            "std must be finite and > 0 in every channel, got 0: channel 0 is 0.0. "
            "Give a std above 0.",
        ),
        (
            ["train", "--mean", "0", "--std", "nan"],
            "std must be finite and > 0 in every channel, got nan: channel 0 is nan. "
            "Give a std above 0.",
        ),
        (
            ["scan", "--std", "-0.5,1"],
            "every std must be > 0, got --std -0.5,1. Start the axis above 0.",
        ),
        (
            ["train", "--norm", "imagenet"],
            "normalization must have 1 channel to fit the images, got 3 "
            "(0.485,0.456,0.406/0.229,0.224,0.225). Give one number for all, or one per channel.",
        ),
        (
            ["train", "digts"],
            "source must be one of digits, mnist, fashion-mnist, cifar10, cifar100 or a folder of "
            "images, got 'digts'. Did you mean 'digits'?",
        ),
        *(
            (
                [*command, url],
                f"{name} must lie on this machine, got {shown}. Download it, and give its folder "
                "or archive.",
            )
            for command, url, name, shown in [
                (["train"], "https://a:b@host/x.zip?sig=1", "source", "https://host/x.zip"),
                (["scan"], "s3://bucket/key", "source", "s3://bucket/key"),
                (
                    ["audit", "resnet18", "--norm", "none", "--images"],
                    "gs://b",
                    "--images",
                    "gs://b",
                ),
                (
                    ["check", "resnet18", "--norm", "none", "--images"],
                    "gs://b",
                    "--images",
                    "gs://b",
                ),
            ]
        ),
        (
            ["scan", "--model", "lennet"],
            "model must be one of lenet, lenet-bn, resnet20 or a torchvision classification model, "
            "timm/NAME, hf/NAME, package.module:factory or a path, got 'lennet'. "
            "Did you mean 'lenet'?",
        ),
        (
            ["train", "--norm", "imagnet"],
            "--norm must be one of data, model, imagenet, none, half, clip, mnist or MEAN/STD, "
            "got 'imagnet'. Did you mean 'imagenet'?",
        ),
        (
            ["train", "--recipe", "lenet-steplt"],
            "recipe must be one of lenet, lenet-steplr, lenet-article, resnet-scratch, "
            "resnet-finetune, frozen, got 'lenet-steplt'. Did you mean 'lenet-steplr'?",
        ),
        (
            ["scan", "--mean", "0:1"],
            "axis --mean must be START:STOP:COUNT, START:STOP:COUNT:log or a comma list, "
            "got '0:1'. Write it like -2:3:15, 0.05:1:5:log or 0,0.5,1.",
        ),
        (
            ["scan", "--std", "0:1:5:log"],
            "a log axis must stay above 0, got --std 0:1:5:log. Start above 0 or leave out ':log'.",
        ),
        (
            ["train", "--model", "no_such_module:net"],
            "model factory no_such_module:net must import, got ModuleNotFoundError: No module "
            "named 'no_such_module'. Check the module's and the factory's names.",
        ),
        (
            ["train", "--model", "builtins:dict"],
            "model factory builtins:dict must return a torch.nn.Module, got dict. "
            "Return the network.",
        ),
        (["train", "--epochs", "0"], "epochs must be at least 1, got 0. Give a larger number."),
        (
            ["train", "no/such/folder"],
            "source must be a name or a folder of images that exists, got no/such/folder: nothing "
            "is there. Check the path.",
        ),
        (
            ["train", "--json", "none/result.json"],
            "--json must lie in an existing folder, got none/result.json. Make none first.",
        ),
        (
            ["scan", "--json", "."],
            "--json must name a file, got the folder .. Name a file in it, or '-'.",
        ),
        (
            ["search", "--over", "mean=0:1", "--storage", "foo"],
            "--storage must be a database's URL, got one that cannot be read. Write it like "
            "postgresql://user@host:5432/database or sqlite:///file.db.",
        ),
        (
            ["report", "no/such/folder"],
            "no/such/folder must be a study's folder, got none with a study in a study.db. "
            "Give the --out folder of a scan.",
        ),
    ],
)
def test_wrong_words(capsys, tmp_path, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err == f"normscope: {sentence}\n"
    assert captured.out == ""
    assert list(tmp_path.iterdir()) == []


def test_an_empty_class_folder(capsys, class_folders):
    folder = class_folders / "train" / "dogs"
    shutil.rmtree(folder)
    folder.mkdir()
    assert run(["scan", str(class_folders)]) == 2
    assert capsys.readouterr().err == (
        f"normscope: {folder} must hold at least one image (such as .jpg or .png), got none. "
        "Add images or remove the folder.\n"
    )


def test_a_truncated_idx_file(capsys, tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    path = raw / "train-images-idx3-ubyte"
    path.write_bytes(b"\0\0\x08\x03" + b"\0\0\0\x02" * 3 + b"1234567")
    assert run(["train", "mnist", "--root", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f"normscope: {path} must hold 8 bytes of data, as its header says, got only 7. "
        "Fetch the file again.\n"
    )


def test_out_is_a_file_or_another_study(capsys, tmp_path):
    (tmp_path / "file").touch()
    assert run(["scan", "--out", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err == (
        f"normscope: --out must be a folder, got the file {tmp_path / 'file'}. "
        "Choose another --out.\n"
    )
    cells = ["--mean", "0", "--workers", "1", "--out", str(tmp_path / "study")]
    assert run(["scan", *SMALL, *cells, "--std", "1", "--seeds", "1"]) == 0
    capsys.readouterr()
    assert run(["scan", *SMALL, *cells, "--std", "2", "--seeds", "1"]) == 2
    assert capsys.readouterr().err == (
        f"normscope: {tmp_path / 'study'} must be given all that its study has, and may be "
        "given more, got less: std 2 (it also has 1). Ask for all of it, or choose another "
        "--out.\n"
    )


@pytest.mark.parametrize(
    "call",
    [
        ["article", "mnist-statistics", "--source", "digits", "--quick"],
        ["audit", "lenet", "--norm", "mnist", "--images", "photos"],
    ],
)
def test_out_is_a_file_where_a_page_is_wanted(capsys, tmp_path, call):
    (tmp_path / "file").touch()
    assert run([*call, "--out", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err == (
        f"normscope: --out must be a folder, got the file {tmp_path / 'file'}. "
        "Choose another --out.\n"
    )


def test_one_class_alone(capsys, class_folders, tmp_path):
    for split in ("train", "val"):
        shutil.rmtree(class_folders / split / "dogs")
    assert run(["train", str(class_folders), "--json", str(tmp_path / "x.json")]) == 2
    assert capsys.readouterr().err == (
        f"normscope: {class_folders} must have at least 2 classes to train on, got 1 (cats), which "
        "every network gets right. Add another class's folder.\n"
    )
    assert not (tmp_path / "x.json").exists()


def test_images_smaller_than_the_crop(capsys, class_folders):
    assert run(["train", str(class_folders), "--crop", "64"]) == 2
    assert capsys.readouterr().err == (
        f"normscope: {class_folders / 'train' / 'cats'} must hold at least one image that can be "
        "used, got none: 0.png: 12 x 12 pixels is smaller than the crop of 64. "
        "Mend or remove the class, or change --resize and --crop.\n"
    )


def test_nowhere_to_write(capsys):
    assert run(["scan", *SMALL, "--out", "/proc/no/such/place"]) == 2
    assert capsys.readouterr().err == (
        "normscope: /proc/no must be writable, got: No such file or directory. "
        "Free up space, fix the permissions or choose another place.\n"
    )


def test_no_permission(capsys, tmp_path, monkeypatch):
    def refused(*_args, **_options):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "x.json"))

    monkeypatch.setattr("normscope.temporary_files._open_new", refused)
    assert run(["train", *SMALL, "--json", str(tmp_path / "x.json")]) == 2
    assert capsys.readouterr().err == (
        f"normscope: {tmp_path / 'x.json'} must be writable, got: Permission denied. "
        "Free up space, fix the permissions or choose another place.\n"
    )


def test_a_pipe_that_nobody_reads(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("normscope.writing.READER_SECONDS", 0.1)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert run(["train", *SMALL, "--json", str(pipe)]) == 2
    assert capsys.readouterr().err.endswith(
        f"normscope: {pipe} must be writable, got: a pipe that nobody reads. "
        "Start what reads it first or choose another place.\n"
    )
    assert pipe.is_fifo()


def test_a_socket_stays_one(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a socket's whole path may be too long
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("here")
        assert run(["cache", "--json", "here"]) == 2
    assert capsys.readouterr().err.endswith(
        "normscope: here must be writable, got: No such device or address. "
        "Start what reads it first or choose another place.\n"
    )
    assert (tmp_path / "here").is_socket()


def little_space() -> None:
    # Python keeps as much of a bytecode file as there is room for, and later fails on it.
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))


def test_no_space_for_the_study(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "normscope", "scan", *SMALL, "--out", str(tmp_path / "study")],
        capture_output=True, text=True, check=False, preexec_fn=little_space,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith(
        f"normscope: {tmp_path / 'study' / 'study.db'} must be a database that can be read "
        "and written, got: "
    )
    assert "Traceback" not in done.stderr


def test_an_option_of_the_wrong_type(capsys):
    assert run(["train", "--epochs", "many"]) == 2
    assert "Invalid value for '--epochs'" in capsys.readouterr().err


def test_other_faults_of_the_system_are_not_hidden(monkeypatch):
    def broken(*_args, **_options):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("normscope.temporary_files._open_new", broken)
    with pytest.raises(OSError, match="Input/output error"):
        run(["train", *SMALL, "--json", "x.json"])


def test_a_study_of_a_database_needs_the_database(capsys, tmp_path):
    assert run(["report", str(tmp_path), "--study", "mine"]) == 2
    assert capsys.readouterr().err == (
        "normscope: --study must be given with --storage, the database that holds it, got mine "
        "alone. Give both, or leave it out.\n"
    )


def test_a_factory_that_ends_the_program_is_a_wrong_one(capsys):
    assert run(["fold", "builtins:exit", "--norm", "half", "-o", "raw.pt2"]) == 2
    assert capsys.readouterr().err == (
        "normscope: model factory builtins:exit must build a network, got SystemExit: None. "
        "Mend the factory.\n"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes only on Linux")
@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["scan", "digits", "--out", "{}/x"], "--out"),
        (["scan", "{}"], "source"),
        (["search", "digits", "--over", "mean=0:1", "--weights", "{}/w.pt"], "--weights"),
        (["scan", "digits", "--storage", "sqlite:///s.db", "--study", "{}"], "--study"),
    ],
)
def test_a_name_that_a_study_cannot_keep(arguments, option, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    odd = os.fsdecode(b"photos \xff")
    (tmp_path / odd).mkdir()
    assert run([*(text.format(odd) for text in arguments), *SMALL]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"normscope: {option} must be UTF-8, since a study keeps its name, got ")
    assert said.endswith(". Rename it, or give a link to it.\n")
    assert [path.name for path in tmp_path.rglob("*")] == [odd]


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes only on Linux")
def test_a_study_inside_a_folder_whose_name_is_no_utf_8(tmp_path, monkeypatch, capsys):
    odd = tmp_path / os.fsdecode(b"\xff")
    odd.mkdir()
    monkeypatch.chdir(odd)
    assert run(["scan", "digits", "--out", "x", "--mean", "0", "--std", "1", *SMALL]) == 2
    assert "--out must be UTF-8" in capsys.readouterr().err
