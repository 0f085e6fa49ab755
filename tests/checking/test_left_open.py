"""What is said where labels or BatchNorms leave open which normalization it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from torch import nn

from normscope.checking.in_use import InUse
from normscope.checking.opinions import (
    BATCHNORM,
    FILES,
    LABELS,
    LIBRARY,
    OF_OTHERS,
    LeftOpen,
    Opinion,
    weighed,
)
from normscope.checking.price import Price
from normscope.checking.sources import by_answers, by_batchnorm, by_labels
from normscope.checking.verdict import judged
from normscope.detection import by_answers as by_answers_module
from normscope.detection.answer_evidence import Answered, AnswerEvidence
from normscope.detection.by_labels import weigh_by_labels
from normscope.detection.candidates import KNOWN, candidates
from normscope.detection.detection_result import Detection, Fitted
from normscope.normalization import CLIP, IMAGENET, Normalization
from tests.detection.test_by_labels import handwriting, matcher

__all__ = ["handwriting"]

ALIKE = ("clip", "cifar10")
NUMBERS = "imagenet (0.485,0.456,0.406/0.229,0.224,0.225)"
LOSES = Price(0.12, (0.06, 0.18), labelled=True, images=200)
COSTS_LITTLE = Price(0.005, (-0.01, 0.02), labelled=True, images=200)


def labels(alone=0.56, together=0.99):
    others = [c for c in candidates(3) if c.name != "imagenet"]
    left_open = LeftOpen(
        tuple(c for c in others if c.name in ALIKE),
        tuple(c for c in others if c.name not in ALIKE),
        alone,
    )
    return Opinion(
        LABELS, "Labels say so.", IMAGENET, confidence=together, name="imagenet",
        left_open=left_open,
    )  # fmt: skip


def judge(opinions, used, price=None):
    in_use = InUse.stated("--norm x", used.for_channels(3))
    return judged("net", weighed(opinions), in_use, price, "more labelled images")


def test_what_all_of_them_rule_out_is_wrong():
    found = judge([labels()], KNOWN["half"][0], LOSES)
    assert found.sentence == (
        f"Wrong: it is normalized with half, which costs about 0.12 of accuracy; use {NUMBERS}. "
        "The labels do not tell clip and cifar10 from imagenet."
    )
    assert found.use == "imagenet"
    assert judge([labels(alone=0.4)], KNOWN["half"][0], LOSES).word == "wrong"
    assert judge([labels(0.4, 0.7)], KNOWN["half"][0], COSTS_LITTLE).word == "cannot tell"
    # What surely loses is wrong, however sure it is what to use.
    unsure = judge([labels(0.4, 0.7)], KNOWN["half"][0], LOSES).sentence
    assert f"; use what it was trained with, probably {NUMBERS}. " in unsure


def test_the_likeliest_is_right_and_the_others_are_named():
    assert judge([labels()], IMAGENET).sentence == (
        f"Right. net expects {NUMBERS}, and --norm x gives it. The labels do not tell clip and "
        "cifar10 from imagenet."
    )
    assert judge([labels(alone=0.4)], IMAGENET).sentence == (
        "Cannot tell: the labels do not tell imagenet, clip and cifar10 apart, and --norm x is one "
        "of them. Give more labelled images."
    )


def test_another_that_cannot_be_told_from_it_is_not_wrong():
    assert judge([labels()], CLIP, COSTS_LITTLE).sentence == (
        "Cannot tell: the labels do not tell imagenet, clip and cifar10 apart, and --norm x is one "
        "of them; against imagenet, the likeliest, it costs at most 0.020 of accuracy "
        "(200 images, 95 % confidence). Give more labelled images."
    )


def test_what_nobody_tried_is_wrong_only_where_it_costs():
    own = Normalization((0.5, 0.45, 0.4), (0.21, 0.21, 0.22))
    assert judge([labels()], own, COSTS_LITTLE).sentence == (
        "Cannot tell: by the labels net expects one of imagenet, clip and cifar10, and they do not "
        "show that --norm x is worse; against imagenet, the likeliest, it costs at most 0.020 of "
        "accuracy (200 images, 95 % confidence). Give more labelled images."
    )
    assert judge([labels()], own, LOSES).word == "wrong"


def test_who_names_one_of_them_decides_between_them():
    files = Opinion(FILES, "Files say so.", CLIP, confidence=0.9)
    expected = weighed([labels(), files])
    assert (expected.normalization, expected.opinion.name) == (CLIP, None)
    assert (expected.sources, expected.against) == ((LABELS, FILES), ())
    assert expected.left_open is None
    # Odds of 99 for each by the labels, times 9 for what the files state.
    assert expected.confidence == pytest.approx(891 / (1 + 99 + 891))
    batchnorm = Opinion(BATCHNORM, "BatchNorm says so.", IMAGENET, confidence=0.95)
    other = weighed([labels(), batchnorm, files])
    assert other.normalization == IMAGENET
    assert other.against == (files,)
    assert other.confidence == pytest.approx(99 * 19 / (1 + 99 * 19 + 99 * 9))
    # The labels are no witness between imagenet and the others that they leave open.
    alone = weighed([labels(), replace(batchnorm, confidence=0.7)])
    assert alone.confidence == pytest.approx(0.7, abs=0.01)


@pytest.mark.parametrize(("width", "used"), [(0.01, True), (0.3, False)])
def test_constants_that_are_known_only_roughly_make_nothing_right(monkeypatch, width, used):
    constants = Normalization(0.3, 0.4)
    fitted = Fitted(constants, ((0.3 - width / 2, 0.3 + width / 2),), ((0.39, 0.41),))
    found = Detection(
        model="net", images=9, batchnorm="1", layer="0", candidates=(), none_of_them=0.9,
        fitted=fitted, order=None, order_confidence=None, pixels="[0, 1]", augmentation="none",
        augmentation_given=False, misfit=0.0, notes=(),
    )  # fmt: skip
    monkeypatch.setattr("normscope.detection.detecting.detect", lambda *_, **__: found)
    opinion = by_batchnorm(nn.BatchNorm2d(1), np.zeros((9, 1, 8, 8), np.uint8))
    assert opinion.says == found.sentence
    assert opinion.normalization == constants
    assert opinion.confidence == (0.9 if used else 0.0)
    assert (weighed([opinion]) is not None) is used


class Matcher(nn.Module):
    def __init__(self, answers):
        super().__init__()
        self.answers = answers

    def forward(self, images):
        return self.answers(images)


@pytest.mark.parametrize(("count", "leaves"), [(40, True), (200, False)])
def test_labels_leave_open_what_their_images_do(handwriting, count, leaves):
    pixels, known, unseen, truth = handwriting
    network = matcher(pixels[:400], known[:400], KNOWN["mnist"][0])
    seen = []
    found = by_labels(
        Matcher(network), unseen[:count], truth[:count], tell=lambda *counts: seen.append(counts)
    )
    assert seen[-1][0] == seen[-1][1]
    expected = weigh_by_labels(network, unseen[:count], truth[:count], refined=False)
    first, *others = expected.candidates
    alike = [c for c in others if c.nats_interval[0] <= 0 and c.images == count]
    assert (found.name, bool(alike)) == ("mnist", leaves)
    assert found.confidence == pytest.approx(sum(c.confidence for c in (first, *alike)))
    if not leaves:
        assert found.left_open is None
        return
    assert found.left_open.alike == tuple(c.candidate for c in alike)
    assert {c.name for c in found.left_open.worse} == {"0..255", "centred 0..255"}
    assert found.left_open.alone == first.confidence < 0.5 < found.confidence


def test_answers_do_not_tell_constants_a_step_apart(monkeypatch):
    chances = {"imagenet": 0.84, "clip": 0.06, "cifar10": 0.02, "half": 0.03}
    answered = [Answered(c, chances.get(c.name, 0.0), {}) for c in candidates(3)]
    answered.sort(key=lambda each: -each.confidence)
    found = AnswerEvidence(tuple(answered), 0.05, 200, layers=True)
    monkeypatch.setattr(by_answers_module, "weigh_by_answers", lambda *_, **__: found)
    assert {each.candidate.name for each in found.alike} == {"clip", "cifar10"}
    assert found.sentence == (
        f"{NUMBERS}, or constants so near that answers do not tell them apart, with confidence "
        "0.920, by its answers to 200 images without labels."
    )
    opinion = by_answers(nn.Identity(), np.zeros((1, 3, 4, 4), np.uint8))
    assert opinion.confidence == pytest.approx(0.92)
    assert judge([opinion], IMAGENET).word == "right"
    assert judge([opinion], KNOWN["half"][0]).word == "wrong"
    assert judge([opinion], CLIP).sentence == (
        "Cannot tell: the answers do not tell imagenet, clip and cifar10 apart, and --norm x is "
        "one of them. Give more labelled images."
    )


def test_what_labels_rule_out_is_wrong_though_a_library_does_not_say_which_it_is(handwriting):
    pixels, known, unseen, truth = handwriting
    network = Matcher(matcher(pixels[:400], known[:400], KNOWN["mnist"][0]))
    used = InUse.stated("--norm 0..255", KNOWN["0..255"][0])
    found = by_labels(network, unseen[:40], truth[:40], used)
    assert found.refutes == found.confidence
    assert (
        by_labels(network, unseen[:40], truth[:40], InUse.stated("x", KNOWN["mnist"][0])).refutes
        == 0
    )
    ruled_out = replace(labels(), refutes=0.99)
    library = Opinion(LIBRARY, "It states imagenet.", IMAGENET, confidence=OF_OTHERS)
    expected = weighed([ruled_out, library])
    half = InUse.stated("--norm half", KNOWN["half"][0].for_channels(3))
    for opinions, word in (([ruled_out], "wrong"), ([labels()], "cannot tell")):
        assert judged("net", expected, half, COSTS_LITTLE, "more", opinions).word == word


def test_a_library_does_not_decide_what_labels_leave_open():
    # As of weights that were trained anew with clip's, on too few images to tell.
    named = replace(labels(), normalization=CLIP, name="clip")
    alike = tuple(c for c in candidates(3) if c.name in {"imagenet", "cifar10"})
    named = replace(named, left_open=replace(named.left_open, alike=alike))
    library = Opinion(LIBRARY, "It states imagenet.", IMAGENET, confidence=OF_OTHERS)
    assert judge([named, library], IMAGENET).sentence == (
        f"Cannot tell: net probably expects {NUMBERS}, as its library's own weights do, but "
        "nothing shows that these are the same. If they do too, --norm x gives it. Give more "
        "labelled images."
    )
    assert judge([labels(), library], IMAGENET).word == "right"
    assert judge([replace(named, confidence=0.1), library], IMAGENET).word == "cannot tell"
