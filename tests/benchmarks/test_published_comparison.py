"""Two grids of the same cells, one of a seed and one of several, of which the truth is known."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
from benchmarks.noise_between_seeds import beyond, correlation, range_of_equals, spread
from benchmarks.published_comparison import comparison, read_published
from benchmarks.published_grid import EVERY_SECOND
from scipy import stats

from normscope.errors import NormscopeError
from normscope.findings.scan_results import ScanResults

RNG = np.random.default_rng(7)


def test_the_noise_between_seeds_leaves_out_cells_and_what_a_seed_does_to_all():
    cells, seeds = RNG.normal(0, 0.1, (500, 1)), RNG.normal(0, 0.1, 4)
    found = spread(cells + seeds + RNG.normal(0, 0.001, (500, 4)))
    assert found is not None
    assert found.low < 0.001 < found.high
    assert found.std == pytest.approx(0.001, rel=0.05)
    # Two draws differ by more than this once in twenty times.
    assert found.difference == pytest.approx(1.96 * 2**0.5 * found.std, rel=1e-3)
    assert spread(cells) is None


def test_equal_cells_differ_as_noise_does():
    noise = spread(RNG.normal(0, 0.001, (3000, 3)))
    assert noise is not None
    assert beyond(RNG.normal(0, 0.001, 1000), noise) == pytest.approx(0.05, abs=0.02)
    median, most = range_of_equals(225, noise)
    # The law of the range of normal draws.
    law = stats.studentized_range(225, np.inf)
    assert median == pytest.approx(law.median() * noise.std, rel=0.02)
    assert most == pytest.approx(law.ppf(0.95) * noise.std, rel=0.02)


def test_the_correlation_and_its_interval():
    ours = RNG.standard_normal(64)
    theirs = 0.6 * ours + 0.8 * RNG.standard_normal(64)
    value, low, high = correlation(ours, theirs)
    assert value == pytest.approx(stats.spearmanr(ours, theirs).statistic)
    wide = stats.bootstrap(
        (ours, theirs), lambda a, b: stats.spearmanr(a, b).statistic,
        paired=True, vectorized=False, method="percentile", n_resamples=400, rng=RNG,
    ).confidence_interval  # fmt: skip
    assert (low, high) == pytest.approx((wide.low, wide.high), abs=0.05)
    assert correlation(ours, ours)[0] == pytest.approx(1)


@pytest.fixture
def published(real_data) -> xr.DataArray:
    return read_published(real_data / "published" / "lenet-grid.json")


def test_the_published_grid_beside_itself_with_noise(published, made_study):
    theirs = published.isel(mean=slice(None, None, 2), std=slice(None, None, 2))
    accuracies = theirs.to_numpy()[..., None] + RNG.normal(0, 0.0005, (8, 8, 3))
    failed = np.zeros((8, 8, 3), bool)
    failed[7, 0, 1] = True
    accuracies[7, 0, 1] = 0.1
    study = made_study(EVERY_SECOND["mean"], EVERY_SECOND["std"], accuracies, failed=failed)
    text = comparison(ScanResults.read(study), published)
    assert "192 trials; 3 of 3 seeds are finished in all 64 cells. " in text
    assert "1 of 192 trainings failed: 3/0.02 (1 of 3)." in text
    assert "Over the 63 cells in which all our trainings learned" in text
    # As the published grid read alone says; see `test_published_grid.py`.
    row = next(line for line in text.splitlines() if "all 225 cells |" in line)
    assert row.split(" | ")[1:3] == ["5 % (1 to 7)", "70 % (61 to 73)"]
    own = next(line for line in text.splitlines() if line.startswith("| ours |"))
    assert own.split(" | ")[2].split(" ")[0] > "60"
    # By hand, from the published file.
    assert f"| 0.02 | {theirs.sel(std=0.02).isel(mean=slice(7)).mean():.4f} | " in text
    assert f"| 3 | {theirs.sel(mean=3).isel(std=slice(1, None)).mean():.4f} | " in text
    best = theirs.where(theirs == theirs.max(), drop=True)
    assert f"| 1998, published | {best.item():.4f} | " in text
    assert "That 0.144/0.569 gives 0.0005 more than 0.1307/0.3081 is within it." in text


def test_one_seed_says_nothing_of_noise(published, made_study):
    theirs = published.isel(mean=slice(None, None, 2), std=slice(None, None, 2))
    study = made_study(EVERY_SECOND["mean"], EVERY_SECOND["std"], theirs.to_numpy()[..., None])
    text = comparison(ScanResults.read(study), published)
    assert "a rank correlation of 1.00 (1.00 to 1.00)." in text
    assert "between seeds" not in text.lower()
    assert " ± " not in text.replace(text.splitlines()[-1], "").replace(text.splitlines()[-2], "")


def test_a_seed_that_is_being_run_tells_of_the_noise(published, made_study):
    theirs = published.isel(mean=slice(None, None, 2), std=slice(None, None, 2))
    accuracies = theirs.to_numpy()[..., None] + RNG.normal(0, 0.0005, (8, 8, 3))
    accuracies[4:, :, 1] = np.nan
    accuracies[:, 1:, 2] = accuracies[1:, :, 2] = np.nan
    failed = np.zeros((8, 8, 3), bool)
    failed[0, 0, 0] = failed[3, 3, 1] = True
    study = made_study(EVERY_SECOND["mean"], EVERY_SECOND["std"], accuracies, failed=failed)
    text = comparison(ScanResults.read(study), published)
    assert "1 of 3 seeds are finished in all 64 cells. " in text
    # By hand: half the variance of the differences.
    kept = np.ones((4, 8), bool)
    kept[0, 0] = kept[3, 3] = False
    differences = (accuracies[:4, :, 0] - accuracies[:4, :, 1])[kept]
    std = differences.std(ddof=1) / 2**0.5
    assert f"- All stds: between seeds an accuracy varies by {std:.5f} (" in text
    assert ", from 30 cells of 2 seeds)" in text


def test_cells_that_the_published_grid_lacks_are_refused(published, made_study):
    study = made_study("0,0.5", "0.02,2", np.full((2, 2, 2), 0.99))
    with pytest.raises(NormscopeError) as error:
        comparison(ScanResults.read(study), published)
    assert str(error.value) == (
        "the study must have points of the published grid, got mean 0,0.5 x std 0.02,2. Give one "
        "of benchmarks.published_grid."
    )


@pytest.fixture
def small():
    """A published grid of six cells, and as much of three seeds."""
    axes = {"mean": [0.0, 0.5], "std": [0.05, 0.5, 1.0]}
    grid = xr.DataArray(0.9 + np.arange(6).reshape(2, 3) / 100, dims=("mean", "std"), coords=axes)
    return grid, grid.to_numpy()[..., None] + RNG.normal(0, 0.002, (2, 3, 3))


def compared(small, made_study, failed=False, seeds=3):
    failed = np.zeros((2, 3, 3), bool) | failed
    made = made_study("0,0.5", "0.05,0.5,1", small[1][..., :seeds], failed=failed)
    return comparison(ScanResults.read(made), small[0])


def test_a_std_with_which_nothing_learned_has_an_empty_row(small, made_study):
    failed = np.zeros((2, 3, 3), bool)
    failed[:, 0] = True
    text = compared(small, made_study, failed)
    assert "| 0.05 | | |" in text
    assert "nan" not in text


def test_too_few_stds_for_their_noise_say_nothing_of_it(small, made_study):
    failed = np.zeros((2, 3, 3), bool)
    failed[:, 1:] = True
    failed[0, 1] = False
    text = compared(small, made_study, failed)
    assert "- All stds: " in text
    assert "- Stds from 0.1 on: " not in text
    assert "nan" not in text


def test_equal_accuracies_have_no_order(small, made_study):
    equal = (small[0], np.full((2, 3, 3), 0.5))
    assert "a rank correlation of 0.00 (0.00 to 0.00)" in compared(equal, made_study)


@pytest.mark.parametrize("seeds", [1, 3])
def test_where_hardly_a_cell_learned_it_says_so(small, made_study, seeds):
    failed = np.ones((2, 3, 3), bool)
    failed[0, :2] = False
    with pytest.raises(NormscopeError) as error:
        compared(small, made_study, failed, seeds)
    assert str(error.value) == (
        "the study must have 3 cells in which every training learned, got 2 of 6. Compare one that "
        "learns."
    )


def test_a_study_without_a_whole_seed_is_refused(small, made_study):
    small[1][0, 0] = np.nan
    with pytest.raises(NormscopeError) as error:
        compared(small, made_study)
    assert str(error.value) == (
        "the study must have a seed finished in every cell, got 15 of 21 trials. Let "
        "benchmarks.published_grid go on."
    )


GRID = {"mean": [0, 1], "std": [0.1, 1], "accuracy": [[0.1, 0.2], [0.3, 0.4]]}


def test_a_published_grid_in_any_order_is_read_rising(tmp_path):
    (tmp_path / "grid.json").write_text(json.dumps({**GRID, "std": [1, 0.1]}))
    assert read_published(tmp_path / "grid.json").sel(mean=1, std=0.1) == 0.4


@pytest.mark.parametrize(
    "change",
    [{"std": [0.1, 0.1]}, {"mean": [0, float("nan")]}, {"accuracy": [[98, 97], [96, 95]]}],
)
def test_a_published_grid_of_other_values_is_refused(tmp_path, change):
    (tmp_path / "grid.json").write_text(json.dumps({**GRID, **change}))
    with pytest.raises(NormscopeError) as error:
        read_published(tmp_path / "grid.json")
    assert str(error.value) == (
        f"{tmp_path / 'grid.json'} must hold each mean and std once and accuracies in [0, 1], got "
        "others. Give the published grid."
    )


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"mean": 1}', "[" * 100_000, "no JSON"])
def test_what_is_no_grid_is_refused(tmp_path, text):
    (tmp_path / "grid.json").write_text(text)
    with pytest.raises(NormscopeError, match=r"must be a JSON file of mean, std and accuracy, a "):
        read_published(tmp_path / "grid.json")


def test_no_traceback_where_the_study_is_missing(tmp_path):
    (tmp_path / "grid.json").write_text(json.dumps(GRID))
    call = ["benchmarks.published_comparison", "none", "--published", str(tmp_path / "grid.json")]
    done = subprocess.run([sys.executable, "-m", *call], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == (
        "none must be a study's folder, got none with a study in a study.db. Give the --out folder "
        "of a scan.\n"
    )
