"""Candidates that race on labelled images, and what is said of any pair of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from normscope.detection.all_pairs import AllPairs
from normscope.detection.by_labels import weigh_by_labels
from normscope.detection.candidates import candidates
from normscope.detection.label_evidence import LabelEvidence
from normscope.detection.label_rounds import Compared, Tried, compared, rounds
from normscope.errors import NormscopeError
from normscope.normalization import HALF
from tests.detection.test_by_labels import handwriting, matcher

__all__ = ["handwriting"]


def test_any_pair_can_be_asked(handwriting):
    pixels, labels, unseen, truth = handwriting
    network = matcher(pixels[:400], labels[:400], HALF)
    found = weigh_by_labels(network, unseen, truth, refined=False)
    assert [t.images for t in found.tables] == [40, 80, 160, 359]
    best, worst = found.candidates[0], found.candidates[-1]
    lost = found.against(worst.candidate.name, "half")
    assert (lost.nats_lost, lost.nats_interval) == (worst.nats_lost, worst.nats_interval)
    assert lost.images == worst.images < best.images == found.images == 359
    gained = found.against("half", worst.candidate.name)
    low, high = lost.accuracy_interval
    assert gained.accuracy_interval == pytest.approx((-high, -low))
    assert gained.nats_lost == -lost.nats_lost
    with pytest.raises(NormscopeError) as met:
        found.against("half", "imagenet")
    assert str(met.value) == (
        "candidates are half, none, 0..255, mnist, centred 0..255 and fashion-mnist, got imagenet. "
        "Give one of these."
    )


def test_a_difference_is_that_of_the_images_both_have_seen():
    generator = np.random.default_rng(0)
    named = candidates(1)[:3]
    labels = generator.integers(0, 4, 40)
    logs = [np.log(softmax(generator.normal(size=(40, 4)), axis=1)) for _ in named]
    early = Tried.of(named, [log[:30] for log in logs], labels[:30])
    late = Tried.of(named[:2], logs[:2], labels)
    tables = tuple(compared(t, t.resamples(generator, 100), 2) for t in (early, late))
    confidences = {named[0]: 0.4, named[1]: 0.6}
    found = LabelEvidence.of(named, confidences, None, None, tables)
    lost = found.against(named[2].name, named[0].name)
    right = [(log.argmax(1) == labels) for log in logs]
    assert lost.images == 30
    assert lost.accuracy_lost == pytest.approx(np.mean(right[0][:30]) - np.mean(right[2][:30]))
    assert found.against(named[0].name, named[1].name).images == 40
    assert found.accuracy[named[2].name] == pytest.approx(np.mean(right[2][:30]))
    assert found.candidates[0].candidate == named[1]
    assert found.candidates[0].nats_lost == 0


def evidence(confidences, differences):
    """Evidence on 100 images: the likelihoods' means and their differences' errors are given."""
    named = candidates(1)[: len(confidences)]
    means, errors = (np.array(d) for d in differences)
    pairs = AllPairs(means, errors, 2.0)
    table = Compared(tuple(c.name for c in named), 100, pairs, pairs)
    return LabelEvidence.of(named, dict(zip(named, confidences, strict=True)), None, None, (table,))


ERRORS = [[0, 0.01, 0.02], [0.01, 0, 0.02], [0.02, 0.02, 0]]


def test_what_is_alike_is_said_so():
    found = evidence([0.6, 0.4, 0.0], ([0.9, 0.89, 0.8], ERRORS))
    assert found.alike == ("none",) == tuple(found.to_json()["alike"])
    assert found.sentence == (
        "half (0.5/0.5), with confidence 0.600: on 100 labelled images its accuracy is 0.900; none "
        "cannot be told from it: they differ by at most 0.030 nats an image and 0.030 of accuracy "
        "(95 %); 0..255 loses 0.100 nats an image (95 % interval 0.060 to 0.140)."
    )
    found = evidence([0.5, 0.5, 0.0], ([0.9, 0.89, 0.8], ERRORS))
    assert found.sentence == (
        "Cannot tell which of half and none (together with confidence > 0.999) on 100 labelled "
        "images: they differ by at most 0.030 nats an image and 0.030 of accuracy (95 %); 0..255 "
        "loses 0.100 nats an image (95 % interval 0.060 to 0.140)."
    )


def test_whoever_differs_is_not_alike():
    found = evidence([0.9, 0.05, 0.05], ([0.9, 0.8, 0.7], ERRORS))
    assert found.alike == ()
    assert found.sentence == (
        "half (0.5/0.5), with confidence 0.900: on 100 labelled images its accuracy is 0.900; none "
        "loses 0.100 nats an image (95 % interval 0.080 to 0.120)."
    )


@pytest.mark.parametrize(
    ("images", "ends"), [(20, [20]), (59, [59]), (60, [40, 60]), (300, [40, 80, 160, 300])]
)
def test_rounds_double(images, ends):
    assert rounds(images) == ends
