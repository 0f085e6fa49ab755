"""Damage done to a file on purpose: whatever it is, no exception but the project's own."""

from __future__ import annotations

import numpy as np

from normscope import stats
from normscope.errors import NormscopeError


def survives(path, part="", rounds=100, **options):
    """How many of so many damaged versions of a file were still read, and how many refused."""
    whole = path.read_bytes()
    read = refused = 0
    for seed in range(rounds):
        random = np.random.default_rng(seed)
        data = bytearray(whole)
        for at in random.integers(0, len(data), random.integers(1, 9)):
            data[at] ^= 1 << random.integers(8)
        if seed % 4 == 0:
            data = data[: random.integers(0, len(data))]
        path.write_bytes(bytes(data))
        sentence = refusal(f"{path}{part}", workers=1, **options)
        assert sentence is None or sentence.endswith("."), sentence
        read, refused = read + (sentence is None), refused + (sentence is not None)
    path.write_bytes(whole)
    return read, refused


def refusal(source, **options):
    """The sentence that a source is refused with, or None."""
    try:
        stats(source, **options)
    except NormscopeError as error:
        return str(error)
    return None
