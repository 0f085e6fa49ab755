"""How a detection speaks of constants that somebody gave beside the known ones."""

from __future__ import annotations

import pytest

from normscope.detection.candidates import Candidate
from normscope.detection.detection_result import Detection, Fitted
from normscope.detection.ranking import Ranked
from normscope.normalization import Normalization

GIVEN = Candidate.of(Normalization(0.5, 0.3), "rgb")
FITTED = Fitted(Normalization(0.2, 0.4), ((0.19, 0.21),), ((0.39, 0.41),))


@pytest.mark.parametrize(
    ("confidence", "none", "said"),
    [
        (0.01, 0.9, "none of the known normalizations, nor with 0.5/0.3 (confidence 0.900)"),
        (0.4, 0.4, "the likeliest of those tried, 0.5/0.3, has confidence 0.400"),
    ],
)
def test_given_constants_are_named_and_not_called_known(confidence, none, said):
    ranked = (Ranked(GIVEN, 0.1, confidence),)
    found = Detection(
        "net", 1, "bn", None, ranked, none, FITTED, None, None, "", "", False, 0.0, ()
    )
    assert said in found.sentence
