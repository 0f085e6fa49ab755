"""The verdict from what sources say, each combination by itself, without any network."""

from __future__ import annotations

from dataclasses import replace

import pytest

from normscope.auditing.applied import SQUASHED, AppliedNormalization
from normscope.checking.in_use import InUse
from normscope.checking.opinions import (
    ANSWERS,
    BATCHNORM,
    FILES,
    LABELS,
    STATED,
    Opinion,
    weighed,
)
from normscope.checking.price import Price
from normscope.checking.verdict import judged
from normscope.detection.candidates import CAFFE
from normscope.normalization import HALF, IMAGENET, Normalization

HALVES = HALF.for_channels(3)
MISSING = "labels"


def opinion(source, normalization=IMAGENET, confidence=STATED, order="rgb"):
    return Opinion(source, f"{source} says so.", normalization, order, confidence)


def word(opinions, used=IMAGENET, price=None):
    in_use = None if used is None else InUse.stated("--norm x", used)
    return judged("net", weighed(opinions), in_use, price, MISSING)


FITTED = Normalization((0.49, 0.46, 0.41), (0.22, 0.23, 0.24))

CASES = {
    "files agree": ([opinion(FILES)], IMAGENET, "right"),
    "files disagree": ([opinion(FILES)], HALVES, "wrong"),
    "sure labels agree": ([opinion(LABELS, confidence=0.95)], IMAGENET, "right"),
    "sure labels disagree": ([opinion(LABELS, confidence=0.95)], HALVES, "wrong"),
    "unsure labels agree": ([opinion(LABELS, confidence=0.6)], IMAGENET, "right"),
    "unsure labels disagree": ([opinion(LABELS, confidence=0.6)], HALVES, "cannot tell"),
    "labels that cannot tell": ([opinion(LABELS, confidence=0.4)], IMAGENET, "cannot tell"),
    "BatchNorm alone": ([opinion(BATCHNORM, confidence=0.97)], HALVES, "wrong"),
    "answers alone and unsure": ([opinion(ANSWERS, confidence=0.7)], IMAGENET, "cannot tell"),
    "answers alone and sure": ([opinion(ANSWERS, confidence=0.9)], IMAGENET, "right"),
    "files against very sure labels": (
        [opinion(LABELS, HALVES, 0.999), opinion(FILES)], HALVES, "right",
    ),
    "files against fairly sure BatchNorm": (
        [opinion(BATCHNORM, HALVES, 0.93), opinion(FILES)], HALVES, "right",
    ),
    "and what the files state is not called wrong by it": (
        [opinion(BATCHNORM, HALVES, 0.93), opinion(FILES)], IMAGENET, "cannot tell",
    ),
    "labels against BatchNorm": (
        [opinion(LABELS, HALVES, 0.95), opinion(BATCHNORM, IMAGENET, 0.95)], HALVES, "cannot tell",
    ),
    "and the files decide": (
        [opinion(LABELS, HALVES, 0.95), opinion(BATCHNORM, IMAGENET, 0.95), opinion(FILES)],
        HALVES, "wrong",
    ),
    "nothing is known": ([], IMAGENET, "cannot tell"),
    "nothing is used": ([opinion(FILES)], None, "cannot tell"),
    "fitted constants agree with files": (
        [opinion(BATCHNORM, FITTED, 0.9), opinion(FILES)], IMAGENET, "right",
    ),
    "the order of channels counts": ([opinion(FILES, order="bgr")], IMAGENET, "wrong"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_word(case):
    opinions, used, expected = CASES[case]
    found = word(opinions, used)
    assert found.word == expected
    starts = {"right": "Right. ", "wrong": "Wrong: ", "cannot tell": "Cannot tell: "}
    assert found.sentence.startswith(starts[expected])


def test_wrong_says_what_it_is_what_to_use_and_what_is_lost():
    price = Price(0.0312, (0.012, 0.05), labelled=True, images=200)
    found = word([opinion(FILES)], HALVES, price)
    assert found.sentence == (
        "Wrong: it is normalized with half, which costs about 0.031 of accuracy; use imagenet "
        "(0.485,0.456,0.406/0.229,0.224,0.225)."
    )
    assert (found.wrong, found.use) == ("it is normalized with half", "imagenet")
    unlabelled = replace(price, lost=0.08, labelled=False)
    assert word([opinion(FILES)], HALVES, unlabelled).sentence.startswith(
        "Wrong: it is normalized with half, which changes about 8 % of its answers; use imagenet "
    )
    little = replace(price, interval=(-0.01, 0.05))
    assert word([opinion(FILES)], HALVES, little).sentence.startswith(
        "Wrong: it is normalized with half. These 200 images do not show whether that costs "
        "accuracy (at most 0.050, with 95 % confidence), but net expects something else; "
        "use imagenet "
    )
    none = replace(unlabelled, lost=0.0, interval=(0.0, 0.0188))
    assert word([opinion(FILES)], HALVES, none).sentence.startswith(
        "Wrong: it is normalized with half. That changes no answer on these 200 images (at most "
        "1.9 % of answers, with 95 % confidence), but net expects something else; use imagenet "
    )


def test_what_does_better_than_what_is_stated_is_not_called_wrong():
    better = Price(-0.1, (-0.15, -0.05), labelled=True, images=200)
    assert word([opinion(FILES)], HALVES, better).sentence == (
        "Cannot tell: net should expect imagenet (0.485,0.456,0.406/0.229,0.224,0.225), and it "
        "does better with --norm x on these labels. Check the labels and the order of the classes."
    )


def test_right_and_cannot_tell_in_words():
    assert word([opinion(FILES)]).sentence == (
        "Right. net expects imagenet (0.485,0.456,0.406/0.229,0.224,0.225), and --norm x gives it."
    )
    assert word([], IMAGENET).sentence == (
        "Cannot tell: nothing says what net expects. Give labels."
    )
    assert word([opinion(LABELS, confidence=0.6)], HALVES).sentence == (
        "Cannot tell: net probably expects imagenet (0.485,0.456,0.406/0.229,0.224,0.225), with "
        "confidence 0.60, which is not enough. Give labels."
    )
    assert word([opinion(FILES)], None).sentence == (
        "Cannot tell: what you use is missing (--norm, --pipeline or --processor). net expects "
        "imagenet (0.485,0.456,0.406/0.229,0.224,0.225)."
    )


def test_a_network_that_takes_blue_first():
    caffe = CAFFE.for_channels(3)
    expected = weighed([opinion(FILES, caffe, order="bgr")])
    right = judged("net", expected, InUse.stated("x", caffe, "bgr"), None, MISSING)
    assert right.word == "right"
    reverse = judged("net", expected, InUse.stated("x", caffe), None, MISSING)
    assert reverse.wrong == "images and constants are RGB for BGR"


def test_a_squashed_resize_is_said_of_what_is_right():
    applied = replace(AppliedNormalization.of(IMAGENET), shows=SQUASHED)
    found = judged("net", weighed([opinion(FILES)]), InUse("p", applied), None, MISSING)
    assert found.sentence.endswith("and p gives it, but squashes the images to other proportions.")
    price = Price(0.0312, (0.012, 0.05), labelled=True, images=200)
    found = judged("net", weighed([opinion(FILES)]), InUse("p", applied), price, MISSING)
    assert found.sentence.endswith("to other proportions, which costs about 0.031 of accuracy.")


def test_unused_bits_are_the_cause():
    used = replace(
        InUse.stated("x", IMAGENET).of_pixels_to(4095 / 65535, " of 65535", "They are dark."),
        cause="too dark", mend="divide by 4095",
    )  # fmt: skip
    found = judged("net", weighed([opinion(FILES)]), used, None, MISSING)
    assert found.sentence == "Wrong: too dark; divide by 4095 and keep the constants."
    half = judged("net", weighed([opinion(FILES, HALVES)]), used, None, MISSING)
    assert half.sentence == "Wrong: too dark; divide by 4095 and use half (0.5/0.5)."


def test_a_pipeline_that_cannot_be_read_off():
    found = judged("net", weighed([opinion(FILES)]), InUse("p", None), None, MISSING)
    assert found.word == "cannot tell"
