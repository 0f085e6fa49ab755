import json
from dataclasses import replace

import pytest

import normscope
from normscope.cli.app import run
from normscope.errors import NormscopeError
from normscope.figures.accuracy_map import accuracy_map, draw_accuracy_map
from normscope.findings.scan_results import ScanResults
from normscope.normalization import IMAGENET, Normalization
from normscope.studies.axis import Axis
from normscope.studies.specification import ScanSpec
from normscope.studies.study import Study


@pytest.fixture
def specification(made_study) -> ScanSpec:
    return replace(
        made_study("0", "1", [[[0.5]]], data=str(IMAGENET)).specification,
        mean=None,
        std=None,
        channel_axes=(Axis.parse("mean-r", "0:1:3"), Axis.parse("std-b", "0.2,0.4")),
        expected=Normalization(0.5, 0.5),
    )


def test_cells_change_one_channel_each(specification):
    cells = specification.cells()
    assert len(cells) == 6
    assert cells[Normalization((0.5, 0.456, 0.406), (0.229, 0.224, 0.4))] == (1, 1)
    trials = [trial.normalization for trial in specification.trials()]
    assert trials[:3] == [IMAGENET, Normalization(0, 1), Normalization(0.5, 0.5)]
    assert len(trials) == 9


def test_the_specification_reads_back(specification, tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(specification.to_toml(), encoding="utf-8")
    assert ScanSpec.read_toml(path) == specification


def test_a_shared_axis_comes_before_a_single_channel(specification):
    both = replace(specification, mean=Axis.parse("mean", "0.1,0.2"))
    assert Normalization((1, 0.2, 0.2), (0.229, 0.224, 0.2)) in both.cells()
    assert [axis.name for axis in both.axes] == ["mean", "mean-r", "std-b"]


def test_a_std_of_one_channel_must_be_positive(specification):
    with pytest.raises(NormscopeError) as met:
        replace(specification, channel_axes=(Axis.parse("std-g", "0,1"),))
    assert str(met.value) == "every std must be > 0, got --std-g 0,1. Start the axis above 0."


@pytest.fixture
def tiny(class_folders):
    return [str(class_folders), "--epochs", "1", "--seeds", "1", "--workers", "1"]


@pytest.mark.parametrize(
    ("axes", "dims"),
    [
        (["--mean-r", "0:1:2", "--std-b", "0.2,0.4"], ("mean-r", "std-b")),
        (["--std-g", "0.1:1:3:log", "--norm", "half"], ("std-g", "any mean")),
        (["--mean", "0,1", "--mean-r", "0,1,2", "--mean-g", "0,1"], ("mean", "mean-r")),
    ],
)
def test_scans_over_single_channels(tiny, tmp_path, capsys, axes, dims):
    out = tmp_path / "study"
    assert run(["scan", *tiny, *axes, "--out", str(out), "--json", "-"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert set(summary["best"]) == {a[2:] for a in axes[::2] if a != "--norm"} | {"accuracy"}
    study = Study.open(out)
    numbers = accuracy_map(ScanResults.read(study))
    assert numbers.accuracy.dims == dims
    # The colours' statistics differ, so on an axis of all channels they lie nowhere.
    assert len(numbers.data) == (0 if dims[0] == "mean" else 1)
    draw_accuracy_map(numbers)
    assert run(["scan", *tiny, *axes, "--out", str(out), "--dry-run"]) == 0
    assert "0 trials would run" in capsys.readouterr().out


def test_norm_alone_is_refused(capsys):
    assert run(["scan", "--norm", "half"]) == 2
    assert capsys.readouterr().err == (
        "normscope: --norm must be used with axes of single channels, got it with --mean and "
        "--std alone (half). Leave it out, or add --mean-r or the like.\n"
    )


def test_channels_of_grey_images_are_refused(tmp_path):
    with pytest.raises(NormscopeError) as met:
        normscope.scan(mean_r="0,1", out=tmp_path / "s")
    assert str(met.value) == (
        "mean_r must be used with images of three channels, got digits of 1. Use mean and std."
    )
    assert not (tmp_path / "s").exists()
