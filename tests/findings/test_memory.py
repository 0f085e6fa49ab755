"""Findings of thousands of cells: few matrices of their covariance are held at once."""

from __future__ import annotations

import tracemalloc

import numpy as np

from normscope.findings.image_noise import shared_images
from normscope.findings.variance_shares import variance_shares

SIDE, SEEDS = 30, 3
CELLS = SIDE**2
MATRIX_BYTES = 8 * CELLS**2


def _peak(work):
    tracemalloc.start()
    try:
        found = work()
        return found, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_no_more_than_three_matrices_at_once():
    correct = np.random.default_rng(0).random((CELLS, SEEDS, 50)) < 0.9
    places = np.stack(np.unravel_index(np.arange(CELLS), (SIDE, SIDE)), axis=1).tolist()
    noise, peak = _peak(lambda: shared_images(correct))
    assert peak < 2.5 * MATRIX_BYTES
    shares, peak = _peak(
        lambda: variance_shares(correct.mean(axis=2), places, ["mean", "std"], noise)
    )
    assert peak < 3 * MATRIX_BYTES
    assert sum(share.share for share in shares.values()) > 0.9


def test_a_covariance_with_its_diagonal_apart_is_the_whole_one():
    correct = np.random.default_rng(0).random((6, SEEDS, 50)) < 0.9
    shared = shared_images(correct).shared
    whole = shared.matrix + np.diag(shared.added)
    some = np.array([4, 1, 5])
    np.testing.assert_array_equal(shared.diagonal, np.diag(whole))
    np.testing.assert_array_equal(shared.of_row(2), whole[2])
    np.testing.assert_array_equal(shared.of_rows(some), whole[np.ix_(some, some)])
    assert (shared.added != 0).all()
