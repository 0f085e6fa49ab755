from __future__ import annotations

import numpy as np
import pytest

from normscope.findings.between_studies import study_differences
from normscope.findings.cell_findings import CellFinding
from normscope.findings.data_units import DataUnits
from normscope.normalization import Normalization

IMAGES = 400


def frozen(accuracies):
    """Cells of a network that is not trained: one seed, and the noise of its test images."""
    return tuple(
        CellFinding(
            normalization=Normalization(k / 1000, 1.0), units=DataUnits(0, 1, 0, 1), seeds=(a,),
            learned=1, trainings=0, failures=0, failed=None, smooth=None, accuracy=a, se=0.0,
            difference=0.0, low=0.0, high=0.0, images_variance=a * (1 - a) / IMAGES,
            verdict="open", loss_bound=0.0,
        )
        for k, a in enumerate(accuracies)
    )  # fmt: skip


def test_intervals_between_frozen_networks_cover_as_they_say():
    rng = np.random.default_rng(0)
    one, two = rng.binomial(IMAGES, [[0.6], [0.65]], (2, 4000)) / IMAGES
    found = study_differences(frozen(one), frozen(two), 0.002)
    covered = np.mean([d.low < 0.05 < d.high for d in found])
    assert covered == pytest.approx(0.95, abs=0.015)


def test_frozen_networks_far_apart_are_told_apart_and_near_ones_are_left_open():
    found = study_differences(frozen([0.2, 0.6]), frozen([0.9, 0.605]), 0.002)
    assert [d.verdict for d in found] == ["better", "open"]
    (alone,) = study_differences(frozen([0.2]), frozen([0.9]), 0.002)
    assert alone.verdict == "better"
