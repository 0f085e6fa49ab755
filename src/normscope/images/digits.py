"""The bundled source: scikit-learn's handwritten digits, which need no network."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from normscope.images.decoded import DecodedSource, LabelledImages
from normscope.images.splits import SPLIT_SEED, stratified_sample

TEST_SHARE = 0.2
SCALE = 16.0
"""Its pixels count the set bits of 4 x 4 blocks, so they run from 0 to 16.

Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI (1998), doi:10.24432/C50P49.
"""


def open_digits() -> DecodedSource:
    """1,797 grey images of 8 x 8 pixels in 10 classes; a stratified fifth is the test split."""
    from sklearn.datasets import load_digits

    bunch = cast("Any", load_digits())
    pixels = bunch.images.astype(np.uint8)[:, None]
    everything = LabelledImages(pixels, bunch.target.astype(np.int64))
    total = len(everything)
    test = stratified_sample(everything.labels, round(total * TEST_SHARE), SPLIT_SEED)
    train = np.setdiff1d(np.arange(total), test)
    return DecodedSource(
        name="digits",
        classes=tuple(str(name) for name in bunch.target_names),
        scale=SCALE,
        train=everything.take(train),
        validation=None,
        test=everything.take(test),
    )
