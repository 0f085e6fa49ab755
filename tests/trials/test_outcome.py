from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from normscope.trials.outcome import (
    interval,
    judge,
    last_gain,
    share_of_most_frequent,
    steps_to,
)

SETTLED = [0.5, 0.9, 0.9, 0.9]


def judged(epochs=SETTLED, accuracy=0.9, **more):
    given = {"test_images": 10_000, "chance": 0.1, "epoch_images": 10_000, **more}
    return judge(epochs, accuracy=accuracy, **given)


def test_the_first_that_holds():
    assert judged() == "learned"
    assert judged(diverged=True, died=True) == "diverged"
    assert judged(died=True) == "died"
    assert judged(accuracy=0.105) == "stuck"


def test_chance_is_the_most_frequent_class():
    # 0.9 is a good accuracy, but not where nine tenths of the images have one label.
    assert judged(chance=0.9) == "stuck"
    assert judged(chance=0.85) == "learned"
    assert share_of_most_frequent(np.array([3, 3, 3, 0])) == 0.75


def test_a_curve_that_rises_has_not_settled():
    rising = [0.5, 0.6, 0.7]
    assert judged(rising, 0.7) == "still learning"
    assert judged(rising, 0.7, margin=0.2) == "learned"


def test_a_steep_start_does_not_hide_a_slow_rise():
    # LeNet on MNIST: five points in a hundred in the second epoch, 5 in a thousand in the third.
    assert judged([0.92, 0.974, 0.979], 0.979, epoch_images=60_000) == "still learning"
    assert judged([0.92, 0.974, 0.979, 0.98, 0.98, 0.98], 0.98) == "learned"


def test_noise_of_few_images_is_no_rise():
    # One standard error of a difference of two shares near 0.6 of 20 images is 0.15.
    assert judged([0.5, 0.5, 0.6], 0.6, epoch_images=1000) == "still learning"
    assert judged([0.5, 0.5, 0.6], 0.6, epoch_images=20) == "learned"


def test_one_epoch_cannot_be_shown_to_have_settled():
    assert judged([0.9]) == "still learning"


def test_the_last_third_by_hand():
    assert last_gain([0.1, 0.2, 0.3, 0.4, 0.7, 0.9]) == pytest.approx(0.5)
    # Two thirds of two epochs end a third of the way into the second.
    assert last_gain([0.3, 0.6]) == pytest.approx(0.2)
    assert last_gain([0.9, 0.9, 0.8]) == pytest.approx(-0.1)


@pytest.mark.parametrize(("correct", "images"), [(0, 50), (3, 50), (50, 50), (900, 1000)])
def test_the_interval_is_clopper_and_pearsons(correct, images):
    theirs = stats.binomtest(correct, images).proportion_ci(0.999, "exact")
    assert interval(correct, images) == pytest.approx((theirs.low, theirs.high))


def test_the_first_step_that_reaches():
    curve = [[10, 0.2], [20, 0.6], [30, 0.5], [40, 0.8]]
    assert steps_to(curve, 0.1) == 10
    assert steps_to(curve, 0.4) == 15
    assert steps_to(curve, 0.65) == 35
    assert steps_to(curve, 0.9) is None


def test_what_few_test_images_cannot_tell_from_chance_is_said_so(made_study):
    def fate(accuracy):
        made = made_study("0.2", "0.5", [[[accuracy]]], outcome="stuck").trials()[0].result
        return replace(made, accuracy=accuracy, chance=1 / 3, test_images=24).fate

    one = "always giving one answer (0.3333)."
    assert fate(0.3333) == f"It is stuck: no better than {one}"
    assert fate(0.5) == f"It counts as stuck: 24 test images cannot tell that from {one}"


@pytest.mark.parametrize(
    ("correct", "images", "said"),
    [
        (24, 24, "accuracy 1.00 (24 of 24 images, 95 % interval 0.858 to 1.000)"),
        (350, 359, "accuracy 0.975 (350 of 359 images, 95 % interval 0.953 to 0.988)"),
        (9912, 10_000, "accuracy 0.9912 (9,912 of 10,000 images, 95 % interval 0.9892 to 0.9929)"),
    ],
)
def test_a_sentence_says_on_how_many_images_an_accuracy_rests(made_study, correct, images, said):
    trial = made_study("0.2", "0.5", [[[0.9]]]).trials()[0]
    result = replace(trial.result, accuracy=correct / images, test_images=images)
    theirs = stats.binomtest(correct, images).proportion_ci(0.95, "exact")
    assert interval(correct, images, 0.95) == pytest.approx((theirs.low, theirs.high))
    assert f"seed 0: test {said} in " in replace(trial, result=result).sentence
