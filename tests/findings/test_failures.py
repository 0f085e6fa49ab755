from __future__ import annotations

import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from threadpoolctl import threadpool_info

from normscope.findings import failures
from normscope.findings.failures import failure_map, region
from normscope.findings.smooth_map import smooth_map


def test_a_large_grid_needs_memory_for_its_cells_once():
    rows = np.ones(2000, bool)
    table = SimpleNamespace(failures=np.zeros(2000, int), trainings=np.full(2000, 3))
    tracemalloc.start()
    found = region(table, rows, [], looks=2)  # pyright: ignore[reportArgumentType]
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (found.trainings, found.failures, found.fails) == (6000, 0, False)
    assert most < 5 * 2000**2


def test_many_rows_are_smoothed_as_few_places(monkeypatch):
    monkeypatch.setattr(failures, "LENGTHS", (0.3,))
    monkeypatch.setattr(failures, "SCALES", (2.5,))
    sizes, kernel = [], failures._kernel
    monkeypatch.setattr(
        failures, "_kernel", lambda apart, *of: sizes.append(len(apart)) or kernel(apart, *of)
    )
    rng = np.random.default_rng(0)
    places = rng.random((1500, 2))
    true = np.where(places[:, 0] > 0.6, 0.9, 0.02)
    failed, ran = rng.binomial(3, true), np.full(1500, 3)
    many = failure_map(places, failed, ran)
    monkeypatch.setattr(failures, "MOST_PLACES", 1500)
    each = failure_map(places, failed, ran)
    assert sizes[0] <= 25**2
    assert sizes[1:] == [1500]
    assert many is not None
    assert each is not None
    shares = np.array([[one.share, other.share] for one, other in zip(many, each, strict=True)])
    away = np.abs(places[:, 0] - 0.6) > 0.1
    assert np.abs(shares[away, 0] - shares[away, 1]).max() < 0.05
    assert np.median(np.abs(shares[:, 0] - shares[:, 1])) < 0.01


def blas_threads():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def smoothed_failures():
    failure_map(np.random.default_rng(0).random((9, 2)), np.arange(9) % 2, np.ones(9))


def smoothed_accuracies():
    axes = (np.array([0.0, 0.5]), np.array([0.5, 1.0]))
    smooth_map(np.array([0.9, 0.8, 0.7, 0.9]), np.full(4, 0.01), axes, (False, True))


@pytest.mark.parametrize(
    ("smoothed", "owner", "step"),
    [
        (smoothed_failures, failures, "_laplace"),
        (smoothed_accuracies, GaussianProcessRegressor, "fit"),
        (smoothed_accuracies, GaussianProcessRegressor, "predict"),
    ],
)
def test_small_matrices_are_not_shared_among_cores(smoothed, owner, step, monkeypatch):
    met, before, taken = [], blas_threads(), getattr(owner, step)
    monkeypatch.setattr(
        owner, step, lambda *given, **how: (met.extend(blas_threads()), taken(*given, **how))[1]
    )
    smoothed()
    assert set(met) == {1}
    assert blas_threads() == before
