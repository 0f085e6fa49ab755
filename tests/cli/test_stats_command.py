from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from normscope.cli.app import run
from normscope.statistics.stats import stats


def test_help_has_an_example(capsys):
    assert run(["stats", "--help"]) == 0
    assert "Example: normscope stats" in capsys.readouterr().out


def test_table_lines_and_explanations(capsys):
    assert run(["stats", "digits", "--batch-size", "64", "--explain", "mnist"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("digits: 1438 images, 92032 pixels, uint8, divided by 16.\n")
    for words in (
        "0.30548 ± 0.00089", "sure decimals of mean", "batch std", "│ at 0 ", "│ at 16 ",
        "± standard error",
        "mnist: no estimator here explains the mean; the nearest is the pixel mean",
        "torchvision: transforms.Normalize(mean=[0.305483], std=[0.37611])",
        "timm: --mean 0.305483 --std 0.37611",
        "albumentations: A.Normalize(mean=[0.305483], std=[0.37611], max_pixel_value=16)",
        "image_mean=[0.305483], image_std=[0.37611], rescale_factor=1 / 16)",
    ):  # fmt: skip
        assert words in out


def test_json_is_alone_on_standard_output(capsys):
    assert run(["stats", "digits", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out) == stats("digits").to_json()


def test_out_holds_result_and_picture(tmp_path, capsys):
    assert run(["stats", "digits", "--out", str(tmp_path)]) == 0
    assert json.loads((tmp_path / "stats.json").read_text())["images"] == 1438
    with Image.open(tmp_path / "figures" / "channel_histograms.png") as picture:
        assert picture.size == (960, 600)


@pytest.mark.parametrize(("options", "status"), [([], 0), (["--strict"], 1)])
def test_skipped_images_are_listed(tmp_path, capsys, options, status):
    Image.fromarray(np.arange(16, dtype=np.uint8).reshape(4, 4)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"")
    assert run(["stats", str(tmp_path), *options]) == status
    captured = capsys.readouterr()
    assert "1 image, 16 pixels" in captured.out
    assert "1 unreadable image was skipped:" in captured.err
    assert f"{tmp_path}/b.png: an empty file" in captured.err


def test_a_constant_channel_is_said(tmp_path, capsys):
    Image.new("L", (4, 4), 7).save(tmp_path / "a.png")
    assert run(["stats", str(tmp_path), "--json", str(tmp_path / "a.json")]) == 0
    assert (
        "normscope: std must be > 0 in every channel, got (0): channel 0 is constant. "
        "Drop the channel or give its std yourself."
    ) in capsys.readouterr().err
    assert json.loads((tmp_path / "a.json").read_text())["std"] == [0.0]


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["nowhere"], 2, "source must be one of digits"),
        (["digits", "--split", "val"], 2, "digits must have a split val, got train, test."),
        (["{empty}"], 2, "must hold at least one readable image, got none."),
        (["digits", "--ray", "127.0.0.1:1"], 2, "--ray must be the address of a running cluster"),
    ],
)
def test_failures(tmp_path, capsys, arguments, status, sentence):
    assert run(["stats", *(a.format(empty=tmp_path) for a in arguments)]) == status
    assert sentence in capsys.readouterr().err


def test_many_channels_and_several_sources(tmp_path, capsys):
    for name in "ab":
        array = np.random.default_rng(0).random((5, 6, 10)).astype(np.float32)
        import tifffile

        tifffile.imwrite(
            tmp_path / f"{name}.tif", array, photometric="minisblack", planarconfig="contig",
            extrasamples=[0] * 9,
        )  # fmt: skip
    assert run(["stats", str(tmp_path / "a.tif"), str(tmp_path / "b.tif")]) == 0
    out = capsys.readouterr().out
    assert "2 images, 60 pixels, float32" in out
    # The first table is the answer: a row for each band, whose first numbers are its mean and std.
    lines = out.splitlines()
    assert sum("pixel std" in line for line in lines) == 1
    rows = [line.split() for line in lines if line.startswith("│")]
    assert [row[1] for row in rows] == [str(band) for band in range(10)] * 4
    values = array.astype(np.float64).reshape(-1, 10)
    shown = np.array([[float(row[3]), float(row[5])] for row in rows[:10]])
    np.testing.assert_allclose(shown[:, 0], values.mean(0), atol=1e-6)
    np.testing.assert_allclose(shown[:, 1], values.std(0), atol=1e-6)


def test_tables_of_many_bands_fit_on_80_columns(tmp_path, capsys):
    bands = np.random.default_rng(0).integers(1, 10_000, (90, 13, 8, 8), np.uint16)
    np.save(tmp_path / "bands.npy", bands)
    assert run(["stats", str(tmp_path / "bands.npy"), "--scale", "10000"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines if line[:1] in "┃│┏└") <= 80


def test_progress_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setattr("rich.console.Console.is_terminal", property(lambda _: True))
    assert run(["stats", "digits", "--json", "-"]) == 0
    assert "1438 images" in capsys.readouterr().err


def test_three_channels_fit_on_80_columns(capsys, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (90, 3, 8, 8), np.uint8)
    np.save(tmp_path / "pixels.npy", pixels)
    assert run(["stats", str(tmp_path / "pixels.npy")]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line[:1] in "┃│┏└"]
    assert {len(line) for line in lines} <= set(range(81))
    assert sum("pixel std" in line for line in lines) == 1
    assert sum(line.count("±") == 3 for line in lines) == 6


def test_names_with_control_characters_are_quoted(capsys, tmp_path):
    np.save(tmp_path / "good.npy", np.eye(4, dtype=np.uint8))
    (tmp_path / "a\n\x1b[31m.png").write_bytes(b"no image")
    assert run(["stats", str(tmp_path)]) == 0
    assert r"a\n\x1b[31m.png: not an image in a known format" in capsys.readouterr().err


def test_json_over_a_folder_is_refused(capsys, tmp_path):
    assert run(["stats", "digits", "--json", str(tmp_path)]) == 2
    assert f"--json must name a file, got the folder {tmp_path}. " in capsys.readouterr().err


WITHOUT_TORCH = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "torchvision"}:
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocker())
from normscope.cli.app import run
sys.exit(run(["stats", sys.argv[1], "--json", "-"]))
"""


def test_it_needs_no_torch_where_nothing_is_resized(class_folders):
    Image.new("RGB", (12, 12), "teal").save(class_folders / "train" / "cats" / "9.jpg")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, str(class_folders)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["images"] == 17
