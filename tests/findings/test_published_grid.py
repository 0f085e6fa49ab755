"""The published LeNet grid, read as what it is: a study of one seed that recorded no failures."""

from __future__ import annotations

import json

import numpy as np
import pytest

from normscope.findings.findings import findings
from normscope.findings.reasons import reasons
from normscope.findings.trial_table import TrialTable
from normscope.normalization import Normalization
from normscope.studies.axis import Axis

MNIST = Normalization(0.1306604762738429, 0.30810780717887876)


@pytest.fixture
def published(real_data) -> tuple[TrialTable, list[Axis]]:
    grid = json.loads((real_data / "published" / "lenet-grid.json").read_text(encoding="utf-8"))
    axes = [Axis(name, tuple(grid[name]), name == "std", "") for name in ("mean", "std")]
    accuracies = np.array(grid["accuracy"]).reshape(-1, 1)
    known, unknown = np.ones(accuracies.shape, bool), np.zeros(len(accuracies), int)
    table = TrialTable(
        normalizations=tuple(Normalization(m, s) for m in grid["mean"] for s in grid["std"]),
        cells=len(accuracies),
        accuracies=accuracies,
        learned=known,
        settled=known,
        trainings=unknown,
        failures=unknown,
        test_images=10000,
    )
    return table, axes


def test_what_one_seed_of_the_published_grid_says(published):
    table, axes = published
    found = findings(table, MNIST, axes)
    assert [found.answer, *reasons(found, table, {}, None)] == [
        "Not settled: accuracy goes with the std, but one seed cannot tell cells apart; "
        "add seeds=5.",
        "Failures: not recorded; this study is older than that.",
        "Final accuracy: 0.978 (mean/std -0.571/0.02) to 0.994 (2.29/0.2); of its variation, "
        "70 % (61 to 73) goes with std, 5 % (1 to 7) with mean, 10 % (9 to 20) with the rest, "
        "luck included, 15 % (13 to 17) with the draw of the test images; averaged over means, "
        "0.985 (std 0.02) to 0.992 (std 1.04).",
    ]


def test_its_columns_averages_by_hand(published):
    table, axes = published
    found = findings(table, MNIST, axes).leading
    columns = table.accuracies.reshape(15, 15).mean(axis=0)
    assert found is not None
    assert (found.axis, found.worst, found.best) == ("std", 0.02, axes[1].values[columns.argmax()])
    assert found.worst_accuracy == pytest.approx(columns.min())
    assert found.best_accuracy == pytest.approx(columns.max())
