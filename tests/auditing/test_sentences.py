from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from normscope.auditing.audit_numbers import Cost, Priced, Reference
from normscope.auditing.audit_result import Audit
from normscope.auditing.pairing import accuracy_lost, share
from normscope.auditing.sentences import answer, sentences, verdict
from normscope.normalization import IMAGENET


def made_up(lost, images=1000, right=0.6, most_frequent=0.1):
    """An audit with one mistake that loses the first images of those that were right."""
    reference = np.arange(images) < right * images
    other = reference & (np.arange(images) >= lost)
    cost = Cost(
        float(other.mean()), *accuracy_lost(reference, other), *share(reference != other), {}, 9
    )
    return Audit(
        "resnet18", "photos", images, 10, most_frequent, "as it is",
        Reference(IMAGENET, *share(reference), {}), [Priced("none", "no normalization", cost)],
        None, (), {}, {}, 1.0,
    )  # fmt: skip


def unlabelled(audit):
    cost = replace(audit.mistakes[0].cost, accuracy=None, lost=None, interval=None)
    return replace(
        audit,
        classes=None,
        most_frequent=None,
        reference=Reference(IMAGENET, None, None, {}),
        mistakes=[replace(audit.mistakes[0], cost=cost)],
    )


@pytest.mark.parametrize(
    ("audit", "said"),
    [
        (
            made_up(100),
            "Yes: the worst mistake that is easy to miss, no normalization, costs 0.10 of accuracy "
            "(95 % interval 0.081 to 0.118); test your own --pipeline.",
        ),
        (
            made_up(400),
            "Yes: the worst mistake, no normalization, costs 0.40 of accuracy (95 % interval "
            "0.369 to 0.430); test your own --pipeline.",
        ),
        (
            made_up(0, images=10_000),
            "No: even the worst mistake, no normalization, costs nothing that matters (95 % "
            "interval -0.0002 to 0.0002).",
        ),
        (
            made_up(1),
            "Not settled: the worst mistake, no normalization, costs 0.0010 of accuracy (95 % "
            "interval -0.0018 to 0.0038); test more images.",
        ),
    ],
)
def test_the_answer_comes_first(audit, said):
    assert sentences(audit)[0] == answer(audit) == said
    assert audit.to_json()["verdict"] == verdict(audit)


def test_what_few_images_cannot_tell_is_not_said_not_to_matter():
    def says(audit):
        return next(said for said in sentences(audit) if said.startswith("The interval leaves"))

    assert says(unlabelled(made_up(1, images=2))) == (
        "The interval leaves open whether it is more than 50.0 %, one image of these: more images "
        "would tell."
    )
    assert says(made_up(1)) == (
        "The interval leaves open whether it is more than 0.0020, the most that does not matter: "
        "more images would tell."
    )


def test_guessing_is_to_name_the_most_frequent_class():
    # 0.6 is far above one class in ten, and no better than a class of 590 images in 1,000.
    assert verdict(made_up(100, most_frequent=0.5)) == "yes"
    common = made_up(100, most_frequent=0.59)
    assert answer(common) == (
        "Not settled: prepared as you say, the network does not beat always naming the most "
        "frequent class; check --norm, --weights and the order of the classes."
    )


def test_without_labels_the_worst_of_several_is_corrected():
    one = unlabelled(made_up(100))
    assert answer(one).startswith(
        "Yes: the worst mistake, no normalization, changes 10.0 % of the answers (95 % "
        "interval 8.3 to 12.0 %)"
    )
    several = replace(one, mistakes=one.mistakes * 10)
    assert "(95 % interval 7.6 to 13.0 %)" in answer(several)
    assert "the interval above is corrected for being picked from 10" in sentences(several)[1]


def test_a_way_that_beats_the_reference_is_told():
    harm = made_up(100)
    reference = np.arange(1000) < 600
    better = np.arange(1000) < 640
    gain = Cost(0.04, *accuracy_lost(reference, better), *share(reference != better), {}, 9)
    audit = replace(harm, mistakes=[*harm.mistakes, Priced("bicubic", "resized so", gain)])
    assert (
        "bicubic scores 0.040 higher (0.026 to 0.054, corrected for being the best of 2): check "
        "how the images were prepared in training."
    ) in sentences(audit)
    assert not any("scores" in line for line in sentences(harm))


def test_the_accuracy_is_said_with_what_competes():
    assert sentences(made_up(100))[1] == (
        "Prepared correctly, resnet18 on 1,000 images of photos has an accuracy of 0.600 (0.569 to "
        "0.630) among the outputs for their 10 classes. The worst mistake is none (no "
        "normalization)."
    )
