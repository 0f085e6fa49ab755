from math import comb

import numpy as np
import pytest

from normscope.trials.sequential import CONFIDENCE, doublings, exact_interval, known_to


def test_all_images_leave_no_doubt():
    assert exact_interval(7, 10, 10, looks=3) == (0.7, 0.7)


@pytest.mark.parametrize(("correct", "tested"), [(0, 5), (5, 5), (7, 12), (30, 30), (1, 20)])
def test_the_interval_holds_every_number_that_both_tails_leave(correct, tested):
    images, looks = 40, 3
    tail = (1 - CONFIDENCE) / looks / 2

    def share(drawn, right):
        return comb(right, drawn) * comb(images - right, tested - drawn) / comb(images, tested)

    kept = [
        right
        for right in range(correct, images - (tested - correct) + 1)
        if sum(share(x, right) for x in range(correct, tested + 1)) > tail
        and sum(share(x, right) for x in range(correct + 1)) > tail
    ]
    assert exact_interval(correct, tested, images, looks) == (kept[0] / 40, kept[-1] / 40)


def test_few_tails_are_computed_however_many_images_there_are(monkeypatch):
    from scipy.stats import hypergeom

    asked = []
    for name in ("sf", "cdf"):
        tail = getattr(hypergeom, name)
        monkeypatch.setattr(
            hypergeom, name, lambda *args, tail=tail: asked.append(np.size(args[2])) or tail(*args)
        )
    exact_interval(4500, 5000, 50_000, looks=10)
    assert sum(asked) < 40


def test_a_test_looks_at_doublings():
    assert doublings(1) == [1]
    assert doublings(8) == [1, 2, 4, 8]
    assert doublings(782) == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 782]


@pytest.mark.thorough
def test_the_intervals_of_a_whole_test_hold_together():
    rng = np.random.default_rng(0)
    images, batch, wrong, tests = 400, 50, 0, 600
    looks = images // batch
    for _ in range(tests):
        right = rng.permutation(images) < 300
        for n in range(batch, images + 1, batch):
            low, high = exact_interval(int(right[:n].sum()), n, images, looks)
            if not low <= 0.75 <= high:
                wrong += 1
                break
    # 1 % of 600 is 6, and more than 14 has a probability below 0.1 %.
    assert wrong / tests <= 14 / 600
    assert CONFIDENCE == 0.99


def test_the_farther_end_counts():
    assert known_to((0.5, 0.9), 0.6) == 0.9 - 0.6
