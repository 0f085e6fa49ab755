"""The bundled source: scikit-learn's handwritten digits, which need no network."""

from __future__ import annotations

import gzip
import importlib.util
from pathlib import Path
from typing import Any, cast

import numpy as np

from normscope.images.decoded import DecodedSource, LabelledImages
from normscope.images.splits import SPLIT_SEED, stratified_sample

TEST_SHARE = 0.2
SIDE = 8
FILE = "datasets/data/digits.csv.gz"
"""Within scikit-learn."""

SCALE = 16.0
"""Its pixels count the set bits of 4 x 4 blocks, so they run from 0 to 16.

Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI (1998), doi:10.24432/C50P49.
"""


def open_digits() -> DecodedSource:
    """1,797 grey images of 8 x 8 pixels in 10 classes; a stratified fifth is the test split."""
    rows = _rows()
    pixels = rows[:, :-1].reshape(-1, 1, SIDE, SIDE)
    everything = LabelledImages(pixels, rows[:, -1].astype(np.int64))
    total = len(everything)
    test = stratified_sample(everything.labels, round(total * TEST_SHARE), SPLIT_SEED)
    train = np.setdiff1d(np.arange(total), test)
    return DecodedSource(
        name="digits",
        classes=tuple(str(digit) for digit in range(10)),
        scale=SCALE,
        train=everything.take(train),
        validation=None,
        test=everything.take(test),
    )


def _rows() -> np.ndarray:
    """An image's 64 pixels and its label in each row, of the file that scikit-learn brings."""
    # To import scikit-learn, and pandas with it, takes a third of the time that a small scan needs.
    found = importlib.util.find_spec("sklearn")
    file = Path(found.origin).parent / FILE if found and found.origin else None
    if file is None or not file.is_file():
        return _rows_by_scikit_learn()
    with gzip.open(file, "rt", encoding="ascii") as lines:
        return np.loadtxt(lines, delimiter=",", dtype=np.uint8)


def _rows_by_scikit_learn() -> np.ndarray:
    """The same where another version keeps its file elsewhere."""
    from sklearn.datasets import load_digits

    bunch = cast("Any", load_digits())
    return np.column_stack([bunch.data, bunch.target]).astype(np.uint8)
