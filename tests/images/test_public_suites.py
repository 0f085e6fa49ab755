"""The files that packages ship for their own tests: read, or refused in a sentence."""

from __future__ import annotations

import time
import warnings
from importlib.util import find_spec
from pathlib import Path

import pytest

from normscope import stats
from normscope.errors import NormscopeError

SUITES = {
    "astropy": ("io/fits/tests/data", 6),
    "matplotlib": ("mpl-data/sample_data", 2),
    "nibabel": ("tests/data", 8),
    "scipy": ("io/matlab/tests/data", 15),
    "sklearn": ("datasets/images", 2),
}
"""Where they lie in each package, and how many can be read at least."""

SLOWEST_SECONDS = 30


@pytest.mark.parametrize("package", SUITES)
def test_every_file_is_read_or_refused(package):
    found = find_spec(package)
    folder, least = SUITES[package]
    root = Path(found.origin).parent / folder if found and found.origin else Path()
    if not (found and root.is_dir()):
        pytest.skip(f"{package} is installed without its tests' files")
    read = 0
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        start = time.monotonic()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                stats(path, scale=1, outliers=0)
            read += 1
        except NormscopeError as error:
            sentence = str(error)
            assert sentence.endswith("."), sentence
            assert "\n" not in sentence
        assert time.monotonic() - start < SLOWEST_SECONDS
    assert read >= least
