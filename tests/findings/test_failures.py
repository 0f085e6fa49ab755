from __future__ import annotations

import tracemalloc
from types import SimpleNamespace

import numpy as np

from normscope.findings.failures import region


def test_a_large_grid_needs_memory_for_its_cells_once():
    rows = np.ones(2000, bool)
    table = SimpleNamespace(failures=np.zeros(2000, int), trainings=np.full(2000, 3))
    tracemalloc.start()
    found = region(table, rows, [], looks=2)  # pyright: ignore[reportArgumentType]
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (found.trainings, found.failures, found.fails) == (6000, 0, False)
    assert most < 5 * 2000**2
