"""What simulated studies say is true, against averages of what is drawn from them."""

from dataclasses import replace

import numpy as np
import pytest
from benchmarks.random_worlds import random_world
from benchmarks.simulated_studies import drawn_study, simulated_study
from benchmarks.simulated_worlds import World

NUMBERS = (0, 3, 4, 7, 11, 12)


def world(number: int, **changes) -> World:
    return replace(random_world(np.random.default_rng([1, number])), **changes)


def rows_of(world: World, rows: np.ndarray) -> World:
    """The same world of a few rows, all of them cells, the first the reference."""
    by_row = ("means", "stds", "failing_logit", "best", "late", "lag", "noise")
    return replace(
        world, cells=len(rows), reference=0, **{n: getattr(world, n)[rows] for n in by_row}
    )


@pytest.mark.parametrize("number", NUMBERS)
def test_chances_and_accuracies_are_averages_of_draws(number):
    few = rows_of(world(number, seeds=1500, survival=1500, images=4000, heavy=False), np.arange(5))
    study = drawn_study(0, few, np.random.default_rng(number))
    n = study.trainings
    se = np.sqrt(few.failing * (1 - few.failing) / n) + 1e-12
    assert (np.abs(study.failures / n - few.failing) <= 4 * se).all()
    for row in range(5):
        alive = study.accuracies[row, ~study.failed[row]]
        if len(alive) < 100:
            continue
        whole, _, _ = rows_of(few, np.array([row])).image_variances(np.array([True]))
        noise = few.variance_of_seeds[row]
        assert abs(alive.mean() - few.reached[row]) <= 4 * np.sqrt(whole + noise / len(alive))
        # Averaged over 1,500 seeds only the images' own part is left of what images do.
        seeds_share = np.sqrt((noise + whole) / len(alive))
        assert abs(alive.mean() - study.of_these_images[row]) <= 4 * seeds_share
        # What images do within a row is taken off; what is left varies between seeds.
        within = alive.var(ddof=1)
        assert noise * 0.75 <= within <= (noise + whole) * 1.35


@pytest.mark.parametrize("number", NUMBERS)
def test_standard_errors_of_losses_and_image_variances_are_those_of_repeated_draws(number):
    few = world(number, seeds=12, survival=0, images=1000, failing_by_seed=0.0)
    few = rows_of(few, np.array([few.reference, 0, 1, 2]))
    few = replace(few, failing_logit=np.full(4, -np.inf), noise=few.noise * 0.5, heavy=False)
    losses, accuracies = [], []
    for k in range(400):
        study = drawn_study(k, few, np.random.default_rng([number, k]))
        mean = study.accuracies.mean(axis=1)
        losses.append(mean[0] - mean)
        accuracies.append(study.accuracies)
    seen, said = np.std(losses, axis=0, ddof=1), few.se_of_losses()
    assert np.allclose(seen[1:], said[1:], rtol=0.2)
    assert np.abs(np.mean(losses, axis=0) - few.losses(settled=False)).max() <= 4 * said.max() / 20
    table = np.array(accuracies)
    whole, _, _ = few.image_variances(np.ones(4, bool))
    variance = table.var(axis=0).mean()
    assert variance == pytest.approx(few.variance_of_seeds.mean() + whole, rel=0.2)


def test_components_add_up_to_the_variance_of_draws():
    big = world(3, seeds=2000, survival=0, images=400, heavy=False, shared=(0.0, 0.0, 0.0))
    big = replace(big, failing_logit=np.full(len(big.means), -np.inf))
    study = drawn_study(0, big, np.random.default_rng(5))
    found = study.accuracies[: big.cells].mean(axis=1).reshape([len(a) for a in big.axes])
    truth = big.components(np.ones(big.cells, bool))
    more = found.size / (found.size - 1)
    assert found.mean(axis=1).var() * more == pytest.approx(truth["mean"], rel=0.1, abs=1e-7)
    assert found.mean(axis=0).var() * more == pytest.approx(truth["std"], rel=0.1, abs=1e-7)
    parts = truth["mean"] + truth["std"] + truth["both"]
    assert found.var(ddof=1) == pytest.approx(parts, rel=0.1, abs=1e-7)
    assert truth["test_images"] == pytest.approx(
        (big.reached * (1 - big.reached))[: big.cells].mean() / 400, rel=0.01
    )


def test_the_first_word_is_that_of_a_plain_loop():
    words = []
    for number in range(200):
        w = world(number)
        m, s = w.data
        word = "no"
        for row, (mean, std) in enumerate(zip(w.means, w.stds, strict=True)):
            if row >= w.cells and (mean, std) != (m, s):
                continue
            fails, lost = w.failing[row] > 0.05, w.reached[w.reference] - w.reached[row] > 0.002
            if not (fails or lost):
                continue
            near = abs(mean - m) / s <= 3 and 0.25 <= s / std <= 4
            word = "yes" if near or word == "yes" else "edges"
        words.append(word)
        assert w.verdict(0.002, settled=False) == word
    assert min(words.count(word) for word in ("yes", "no", "edges")) >= 20


def test_a_study_is_drawn_again_by_its_numbers():
    first, second = simulated_study(4, seed=9), simulated_study(4, seed=9)
    assert (first.correct == second.correct).all()
    assert (first.accuracies != simulated_study(5, seed=9).accuracies.ravel()[0]).any()
    assert (first.accuracies == first.correct.mean(axis=2)).all()
    assert (first.failures >= first.failed.sum(axis=1)).all()
