import numpy as np

from normscope.trials.sequential import CONFIDENCE, exact_interval, known_to


def test_all_images_leave_no_doubt():
    assert exact_interval(7, 10, 10, looks=3) == (0.7, 0.7)


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
