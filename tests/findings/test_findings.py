from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats

from normscope.errors import NormscopeError
from normscope.findings.between_studies import holm
from normscope.findings.comparison import means, row_noise
from normscope.findings.image_noise import deviations, independent_images, shared_images
from normscope.findings.losses import losses, resolution, seeds_to_resolve
from normscope.findings.search_verdict import seeds_to_tell
from normscope.findings.smooth_map import smooth_map
from normscope.findings.summary import summarize
from normscope.findings.tolerance import CellStates, tolerance
from normscope.findings.variance_shares import noncentrality, variance_shares
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


PLACES = [(i, j) for i in range(6) for j in range(5)]


def shares_of(accuracies, images=10**8, places=PLACES):
    return variance_shares(
        accuracies, places, ["mean", "std"], independent_images(accuracies, images)
    )


def test_shares_of_studies_with_one_kind_of_variation():
    rng = np.random.default_rng(0)
    places = np.array(PLACES)
    mean = 0.9 + 0.01 * rng.standard_normal(6)[places[:, :1]] + np.zeros((1, 6))
    std = 0.9 + 0.01 * rng.standard_normal(5)[places[:, 1:]] + np.zeros((1, 6))
    cells = 0.01 * rng.standard_normal((6, 5))
    cells -= cells.mean(axis=0) + cells.mean(axis=1, keepdims=True)
    both = 0.9 + cells.reshape(30, 1) + np.zeros((1, 6))
    seed = 0.9 + 0.01 * rng.standard_normal((30, 6))
    tiny = 1e-5 * rng.standard_normal((30, 6))
    for accuracies, name in ((mean, "mean"), (std, "std"), (both, "both"), (seed, "seed")):
        shares = shares_of(accuracies + tiny)
        assert shares[name].share > 0.6
        assert sum(s.share for s in shares.values()) == pytest.approx(1, abs=0.1)
        assert all(0 <= s.low <= s.share <= s.high <= 1 for s in shares.values())


def test_one_seed_gives_the_plain_sums_of_squares():
    # By hand: means differ by 0.02 between rows, 0.01 between columns, and nothing else.
    accuracies = np.array([[0.90], [0.91], [0.92], [0.93]])
    shares = shares_of(accuracies, places=[(0, 0), (0, 1), (1, 0), (1, 1)])
    assert shares["mean"].share == pytest.approx(0.8, abs=1e-4)
    assert shares["std"].share == pytest.approx(0.2, abs=1e-4)
    assert "seed" not in shares


@pytest.mark.parametrize("places", [[(k, 0) for k in range(5)], [(0, k) for k in range(5)]])
def test_one_seed_along_one_axis_has_no_other_share(places):
    # Whose square is 0, and by rounding may come out a little below.
    accuracies = 0.5 + 0.01 * np.arange(5.0)[:, None]
    shares = shares_of(accuracies, places=places)
    along = "mean" if places[1][0] else "std"
    assert shares[along].share == pytest.approx(1)
    assert all(shares[n].std == 0 for n in ("mean", "std", "both") if n != along)


def test_pure_binomial_noise_is_the_test_images():
    accuracies = np.random.default_rng(0).binomial(1000, 0.9, (30, 8)) / 1000
    assert shares_of(accuracies, 1000)["test_images"].share > 0.8


def test_nothing_varies_and_too_little_to_tell():
    equal = np.ones((30, 3))
    assert shares_of(equal, 100) is None
    assert shares_of(np.ones((1, 3)), 100, [(0, 0)]) is None


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
    found = [4 * deviations(noise.of_rows), 6 * deviations(noise.of_seeds), noise.residual]
    np.testing.assert_allclose(found, added, rtol=0.15)


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


def test_verdicts_and_losses_of_clear_cells():
    rows = rows_of(quiet([0.95, 0.9505, 0.94, 0.96]))
    found = losses(rows, 0)
    assert found.verdicts(MARGIN) == ["equivalent", "equivalent", "worse", "better"]
    assert found.bound[0] == 0
    assert found.bound[2] == pytest.approx(0.01, abs=0.0005)
    assert 0.0095 < found.least[2] < 0.01 < found.bound[2]
    assert found.bound[3] == 0
    assert found.gain[3] == pytest.approx(0.01, abs=0.0005)


def test_no_bound_lies_beyond_what_an_accuracy_can_lose():
    rows = rows_of([[0.95, 0.96], [0.1, 0.9], [0.05, 0.8]])
    found = losses(rows, 0)
    assert found.bound.max() == 1
    assert found.most.max() <= 1
    low, high = rows.differences(0).interval()
    assert -1 <= low.min() < high.max() <= 1


def test_a_cell_is_as_good_exactly_where_its_bounds_say_so():
    found = losses(rows_of(quiet([0.95, 0.9505, 0.945, 0.955])), 0)
    for margin in (found.bound[2] - 1e-9, found.bound[2] + 1e-9):
        assert (found.verdicts(margin)[2] == "equivalent") == (found.bound[2] <= margin)


def test_a_study_excludes_what_it_can_resolve_in_four_of_five():
    rng = np.random.default_rng(0)
    usual = np.ones(9, bool)
    excluded = []
    for _ in range(200):
        rows = rows_of(0.97 + 0.003 * rng.standard_normal((9, 5)))
        excluded.append(np.nanmax(losses(rows, 4).bound) <= resolution(rows, 4, usual, 10**9))
    assert np.mean(excluded) == pytest.approx(0.8, abs=0.1)
    seeds = seeds_to_resolve(rows, 4, usual, 10**9, MARGIN)
    assert resolution(rows, 4, usual, 10**9, seeds) <= MARGIN
    assert resolution(rows, 4, usual, 10**9, seeds - 1) > MARGIN
    assert seeds_to_resolve(rows, 4, usual, 100, MARGIN) is None


def test_few_test_images_keep_claims_back():
    answers = np.zeros((2, 4, 500), bool)
    answers[0, :, :450] = True
    answers[1, :, 25:475] = True
    rows = means(answers.mean(axis=2), shared_images(answers))
    difference = rows.differences(0)
    # 50 of 500 images differ in sign: the variance of one difference is 50/500.
    assert difference.images_se[1] == pytest.approx(np.sqrt(0.1 / 500 + 1 / 500**2), rel=0.005)
    assert losses(rows, 0).verdicts(MARGIN)[1] == "open"


def states_of(bound, failing=()):
    bound = np.asarray(bound, float)
    fails = np.zeros(bound.shape, bool)
    for place in failing:
        fails[place] = True
    return CellStates((bound <= MARGIN) & ~fails, fails, bound > 0.01, bound)


def test_tolerance_by_hand():
    mean, std = np.array([-1.0, -0.5, 0.0, 0.5, 1.0]), np.array([0.1, 0.3, 1.0])
    bound = np.full((5, 3), 0.001)
    bound[0] = 0.02
    bound[:, 0] = 0.005
    found = tolerance(states_of(bound, [(4, 1)]), (mean, std), (0.0, 0.3))
    assert (found.mean.low, found.mean.high) == (-0.5, 0.5)
    assert (found.mean.low_end, found.mean.high_end) == ("loss", "failures")
    assert (found.std.low, found.std.high) == (0.3, 1.0)
    assert (found.std.low_end, found.std.high_end) == ("open", "grid")
    assert found.together.mean == (-0.5, 0.5)
    assert found.together.std == (0.3, 1.0)
    assert found.together.bound == 0.001
    assert (found.mean_digits, found.std_digits) == (0, 0)


def test_digits_that_matter():
    mean, std = np.array([0.1, 0.13, 0.16]), np.array([0.25, 0.3081, 0.35])
    found = tolerance(states_of(np.full((3, 3), 0.001)), (mean, std), (0.13, 0.3081))
    # 0.1 and 0.3 both lie in what is proved; 0 and 1 do not.
    assert (found.mean_digits, found.std_digits) == (1, 1)
    assert (found.together.mean, found.together.std) == ((0.1, 0.16), (0.25, 0.35))


@pytest.mark.parametrize(("distance", "std"), [(0.002, 0.002), (0.001, 0.003)])
def test_seeds_to_tell_have_their_power(distance, std):
    seeds = seeds_to_tell(distance, std)
    rng = np.random.default_rng(0)
    sample = distance + std * rng.standard_normal((4000, seeds))
    p = stats.ttest_1samp(sample, 0, axis=1, alternative="greater").pvalue
    assert np.mean(p <= 0.05) == pytest.approx(0.8, abs=0.06)
    assert seeds_to_tell(distance / 100, std) is None
    assert seeds_to_tell(-distance, std) is None


@pytest.mark.parametrize("side", [7, 12])
def test_the_smooth_map_is_nearer_to_the_truth_than_the_cells(side, monkeypatch):
    monkeypatch.setattr("normscope.findings.smooth_map.MOST_WEIGHED", 49)
    rng = np.random.default_rng(0)
    mean, std = np.linspace(-1, 1, side), np.geomspace(0.1, 1, side)
    truth = 0.97 - 0.02 * mean[:, None] ** 2 - 0.005 * np.log(std) ** 2
    rows = rows_of(truth.ravel()[:, None] + 0.005 * rng.standard_normal((side**2, 3)))
    smooth = smooth_map(rows.mean, rows.standard_error, (mean, std), (False, True))
    at_cells = smooth.interp(mean=mean, std=std)
    error = np.abs(at_cells["accuracy"].to_numpy() - truth)
    assert error.mean() < np.abs(rows.mean.reshape(side, side) - truth).mean()
    assert ((smooth["low"] <= smooth["accuracy"]) & (smooth["accuracy"] <= smooth["high"])).all()


def test_summary_holds_the_findings(made_study):
    values = np.full((2, 2, 4), 0.99) + 0.001 * np.arange(4)
    study = made_study("0,1", "0.3,1", values, references=[("0.2/0.5", [0.99] * 4)])
    summary = summarize(study, margin=0.01)
    data = json.loads(json.dumps(summary.to_json(), allow_nan=False))
    assert data["findings"]["reference"] == {"mean": 0.2, "std": 0.5}
    assert len(data["cells"]) == 5
    assert data["findings"]["grid_cells"] == 4
    assert data["margin"] == 0.01
    again = summarize(study, reference=NONE)
    assert again.findings.reference == NONE


def test_findings_refuse_what_was_not_asked_for(made_study):
    study = made_study("0,1", "0.3,1", np.full((2, 2, 4), 0.99))
    assert summarize(study).findings.reference == Normalization(0.0, 0.3)
    with pytest.raises(NormscopeError) as error:
        summarize(study, reference=Normalization(5, 5))
    assert str(error.value) == (
        "reference must be a cell of the grid, data or none, got 5/5, which was not "
        "tried with every seed. Choose one of the grid's values."
    )
    for margin, said in ((0, "0"), (float("inf"), "inf"), (float("nan"), "nan")):
        with pytest.raises(NormscopeError) as error:
            summarize(study, margin=margin)
        assert str(error.value) == (f"margin must be > 0 and < 1, got {said}. Give it like 0.002.")
