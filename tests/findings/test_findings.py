from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats

from normscope.errors import NormscopeError
from normscope.findings.comparison import compared, holm, means, plateau
from normscope.findings.image_noise import independent_images, shared_images
from normscope.findings.moderation import row_noise
from normscope.findings.seeds_needed import seeds_to_tell
from normscope.findings.shares import noncentrality, variance_shares
from normscope.findings.smooth_map import smooth_map
from normscope.findings.summary import summarize
from normscope.findings.tolerance import tolerance
from normscope.normalization import NONE, Normalization

MARGIN = 0.002


def rows_of(accuracies, images=10**9):
    accuracies = np.asarray(accuracies, float)
    return means(accuracies, independent_images(accuracies, images))


def quiet(cell_means, seeds=5, noise=1e-4, rng=None):
    rng = rng or np.random.default_rng(0)
    return np.asarray(cell_means, float)[:, None] + noise * rng.standard_normal(
        (len(cell_means), seeds)
    )


def test_shares_of_studies_with_one_kind_of_variation():
    rng = np.random.default_rng(0)
    cells = 0.9 + 0.01 * rng.standard_normal((30, 1)) + np.zeros((1, 6))
    seeds = 0.9 + 0.01 * rng.standard_normal((1, 6)) + np.zeros((30, 1))
    both = 0.9 + 0.01 * rng.standard_normal((30, 6))
    tiny = 1e-5 * rng.standard_normal((30, 6))
    for accuracies, name in ((cells, "normalization"), (seeds, "seed"), (both, "interaction")):
        shares = variance_shares(accuracies + tiny, independent_images(accuracies, 10**8))
        assert shares[name].share > 0.85
        assert sum(s.share for s in shares.values()) == pytest.approx(1)
        assert all(0 <= s.low <= s.share <= s.high <= 1 for s in shares.values())


def test_pure_binomial_noise_is_the_test_images():
    accuracies = np.random.default_rng(0).binomial(1000, 0.9, (40, 8)) / 1000
    shares = variance_shares(accuracies, independent_images(accuracies, 1000))
    assert shares["test_images"].share > 0.8


def test_nothing_varies_and_too_little_to_tell():
    equal = np.ones((3, 3))
    assert variance_shares(equal, independent_images(equal, 100)) is None
    one = np.ones((3, 1))
    assert variance_shares(one, independent_images(one, 100)) is None


def test_noncentrality_inverts_the_distribution():
    for centre in (0.5, 10.0, 1000.0):
        for quantile in (0.05, 0.5, 0.95):
            square = stats.ncx2.ppf(quantile, 12, centre)
            found = noncentrality(np.array([square]), 12, stats.norm.ppf([quantile]))[0]
            assert found == pytest.approx(centre, rel=0.05, abs=0.4)


def test_shared_images_add_what_redrawn_images_add():
    # The mean squares' inflation against its definition: images drawn again and again.
    rng = np.random.default_rng(0)
    hard = rng.random(4000) < 0.3
    chance = np.where(hard, 0.5, 0.98)
    answers = rng.random((6, 4, 4000)) < chance
    noise = shared_images(answers)
    draws = []
    for _ in range(600):
        chosen = answers[:, :, rng.integers(0, 4000, 4000)].mean(axis=2)
        cell, seed = chosen.mean(axis=1, keepdims=True), chosen.mean(axis=0, keepdims=True)
        rest = chosen - cell - seed + chosen.mean()
        draws.append([4 * cell.var(ddof=1), 6 * seed.var(ddof=1), (rest**2).sum() / 15])
    once = answers.mean(axis=2)
    cell, seed = once.mean(axis=1, keepdims=True), once.mean(axis=0, keepdims=True)
    rest = once - cell - seed + once.mean()
    of_sample = [4 * cell.var(ddof=1), 6 * seed.var(ddof=1), (rest**2).sum() / 15]
    added = np.mean(draws, axis=0) - of_sample
    np.testing.assert_allclose([noise.cell, noise.seed, noise.residual], added, rtol=0.15)


def test_row_noise_pools_equal_rows_and_keeps_loud_ones_apart():
    rng = np.random.default_rng(0)
    accuracies = 0.01 * rng.standard_normal((200, 4))
    equal, equal_own = row_noise(accuracies), accuracies.var(axis=1, ddof=1)
    assert np.median(np.sqrt(equal.variance)) == pytest.approx(0.01, rel=0.1)
    assert np.ptp(equal.variance) < 0.5 * np.ptp(equal_own)
    assert equal.freedom.min() > 10
    loud = 0.01 * rng.standard_normal((200, 4))
    loud[:20] *= 30
    found = row_noise(loud)
    assert np.median(found.variance[:20]) > 30 * np.median(found.variance[20:])


def test_holm_by_hand():
    # 0.01 <= 0.05/3, 0.02 <= 0.05/2, 0.2 > 0.05.
    assert holm(np.array([0.01, 0.2, 0.02])).tolist() == [True, False, True]
    # The first fails, so the second, which would pass alone, does too.
    assert not holm(np.array([0.04, 0.02])[::-1] + 0.01).any()


def test_verdicts_and_plateau_of_clear_cells():
    rows = rows_of(quiet([0.95, 0.9505, 0.94, 0.96]))
    assert compared(rows, 0, MARGIN) == ["equivalent", "equivalent", "worse", "better"]
    assert plateau(rows, MARGIN).tolist() == [False, False, False, True]
    assert plateau(rows, 0.0105).tolist() == [True, True, False, True]


def test_two_seeds_claim_nothing():
    rows = rows_of(quiet([0.95, 0.9505, 0.94], seeds=2))
    assert compared(rows, 0, MARGIN)[1:] == ["open", "open"]
    assert not plateau(rows, MARGIN).any()
    line = np.array([1.0, 2.0, 3.0])
    found = tolerance(rows, (line, np.array([1.0])), 0, (1.0, 1.0), MARGIN)
    assert (found.mean.high, found.mean.high_end) == (1.0, "open")
    assert found.together is None


def test_few_test_images_keep_claims_back():
    answers = np.zeros((2, 4, 500), bool)
    answers[0, :, :450] = True
    answers[1, :, 25:475] = True
    rows = means(answers.mean(axis=2), shared_images(answers))
    difference = rows.differences(0)
    # 50 of 500 images differ in sign: the variance of one difference is 50/500.
    assert difference.images_se[1] == pytest.approx(np.sqrt(0.1 / 500 + 1 / 500**2), rel=0.005)
    assert compared(rows, 0, MARGIN)[1] == "open"


def grid_of(values, seeds=6):
    values = np.asarray(values, float)
    return rows_of(quiet(values.ravel(), seeds)), values.shape


def test_tolerance_by_hand():
    mean, std = np.array([-1.0, -0.5, 0.0, 0.5, 1.0]), np.array([0.1, 0.3, 1.0])
    values = np.full((5, 3), 0.99)
    values[0] = 0.97
    values[:, 0] = 0.95
    rows, _ = grid_of(values)
    found = tolerance(rows, (mean, std), 7, (0.0, 0.3), MARGIN)
    assert (found.mean.low, found.mean.high) == (-0.5, 1.0)
    assert (found.mean.low_end, found.mean.high_end) == ("loss", "grid")
    assert (found.std.low, found.std.high) == (0.3, 1.0)
    assert found.together is None
    assert (found.mean_digits, found.std_digits) == (0, 0)
    assert found.mean.seeds is None


def test_digits_that_matter():
    mean, std = np.array([0.1, 0.13, 0.16]), np.array([0.25, 0.3081, 0.35])
    rows, _ = grid_of(np.full((3, 3), 0.99))
    found = tolerance(rows, (mean, std), 4, (0.13, 0.3081), MARGIN)
    # 0.1 and 0.3 both lie in what is proved; 0 and 1 do not.
    assert (found.mean_digits, found.std_digits) == (1, 1)
    assert found.together == {"mean": (0.1, 0.16), "std": (0.25, 0.35)}


def test_an_open_end_says_how_many_seeds_would_do():
    rng = np.random.default_rng(0)
    rows = rows_of(quiet(np.full(9, 0.99), 4, 0.003, rng))
    found = tolerance(rows, (np.arange(9.0), np.array([1.0])), 4, (4.0, 1.0), MARGIN)
    assert found.mean.is_open
    assert found.mean.seeds > 4


@pytest.mark.parametrize(("distance", "std"), [(0.002, 0.002), (0.001, 0.003)])
def test_seeds_to_tell_have_their_power(distance, std):
    seeds = seeds_to_tell(distance, std, 0.0)
    rng = np.random.default_rng(0)
    sample = distance + std * rng.standard_normal((4000, seeds))
    p = stats.ttest_1samp(sample, 0, axis=1, alternative="greater").pvalue
    assert np.mean(p <= 0.05) == pytest.approx(0.8, abs=0.06)
    assert seeds_to_tell(distance, 0.0, distance) is None
    assert seeds_to_tell(-distance, std, 0.0) is None


def test_the_smooth_map_is_nearer_to_the_truth_than_the_cells():
    rng = np.random.default_rng(0)
    mean, std = np.linspace(-1, 1, 7), np.geomspace(0.1, 1, 7)
    truth = 0.97 - 0.02 * mean[:, None] ** 2 - 0.005 * np.log(std) ** 2
    rows = rows_of(truth.ravel()[:, None] + 0.005 * rng.standard_normal((49, 3)))
    smooth = smooth_map(rows, (mean, std), (False, True), 10_000)
    at_cells = smooth.interp(mean=mean, std=std)
    error = np.abs(at_cells["accuracy"].to_numpy() - truth)
    assert error.mean() < np.abs(rows.mean.reshape(7, 7) - truth).mean()
    assert ((smooth["low"] <= smooth["accuracy"]) & (smooth["accuracy"] <= smooth["high"])).all()


def test_summary_holds_the_findings(made_study):
    values = np.full((2, 2, 4), 0.99) + 0.001 * np.arange(4)
    study = made_study("0,1", "0.3,1", values, references=[("0.2/0.5", [0.99] * 4)])
    summary = summarize(study, margin=0.01)
    data = json.loads(json.dumps(summary.to_json(), allow_nan=False))
    assert data["findings"]["reference"] == {"mean": 0.2, "std": 0.5}
    assert len(data["findings"]["cells"]) == 5
    assert data["findings"]["grid_cells"] == 4
    assert "no digit is needed" in data["claims"][-1]
    assert data["claims"][1] == "All 4 cells are proved to be within 0.01 of the best."
    again = summarize(study, reference=NONE)
    assert again.findings.reference == NONE


def test_findings_refuse_what_was_not_asked_for(made_study):
    study = made_study("0,1", "0.3,1", np.full((2, 2, 4), 0.99))
    assert summarize(study).findings.reference == Normalization(0.0, 0.3)
    with pytest.raises(NormscopeError) as error:
        summarize(study, reference=Normalization(5, 5))
    assert str(error.value) == (
        "--reference must be a cell of the grid, data or none, got 5/5, which was not "
        "tried with every seed. Choose one of the grid's values."
    )
    with pytest.raises(NormscopeError) as error:
        summarize(study, margin=0)
    assert str(error.value) == "--margin must be > 0, got 0. Give it like 0.002."
    assert summarize(made_study("0,1", "1,2", np.full((2, 2, 1), 0.5))).findings is None
