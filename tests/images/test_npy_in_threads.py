from __future__ import annotations

import gc
import io
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from normscope.images.arrays import decode_npy


@pytest.fixture
def hardly_any_peace():
    """Python changes threads wherever it can, and within its parser too."""
    thresholds, interval = gc.get_threshold(), sys.getswitchinterval()

    def yielding(*_):
        time.sleep(0)

    gc.callbacks.append(yielding)
    gc.set_threshold(5)
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)
    gc.set_threshold(*thresholds)
    gc.callbacks.remove(yielding)


def test_headers_are_read_in_threads(hardly_any_peace):
    file = io.BytesIO()
    np.save(file, np.arange(16, dtype=np.uint8).reshape(4, 4))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(decode_npy, [file.getvalue()] * 1000))
    assert all((pixels.values.ravel() == np.arange(16)).all() for pixels in found)
