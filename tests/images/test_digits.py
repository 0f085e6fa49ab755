"""The bundled images are scikit-learn's, though it is not imported for them."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits

from normscope.images import digits
from normscope.images.digits import open_digits


@pytest.mark.parametrize("file", [digits.FILE, "elsewhere.csv.gz"])
def test_they_are_scikit_learns(monkeypatch, file):
    monkeypatch.setattr(digits, "FILE", file)
    source, theirs = open_digits(), load_digits()
    found = np.concatenate([source.train.pixels, source.test.pixels])
    labels = np.concatenate([source.train.labels, source.test.labels])
    assert (found.dtype, found.shape, labels.dtype) == (np.uint8, (1797, 1, 8, 8), np.int64)
    rows = np.column_stack([found.reshape(-1, 64), labels])
    expected = np.column_stack([theirs.data, theirs.target])
    np.testing.assert_array_equal(rows[np.lexsort(rows.T)], expected[np.lexsort(expected.T)])
    assert source.classes == tuple(map(str, theirs.target_names))


def test_they_are_opened_without_it():
    code = (
        "import sys; from normscope.images.digits import open_digits; open_digits(); "
        "print({'sklearn', 'pandas', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
