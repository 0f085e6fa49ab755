"""Workers map what their parent wrote, and get the same source."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from normscope.images.decoded import LabelledImages
from normscope.images.digits import open_digits
from normscope.studies.executors.shared_source import read_source, write_source


def same(one, other):
    return one.fingerprint() == other.fingerprint() and one.name == other.name


def test_the_same_source_is_read_and_its_pixels_are_mapped(tmp_path):
    source = replace(open_digits(), validation=None)
    write_source(source, tmp_path / "images")
    found = read_source(tmp_path / "images")
    assert same(found, source)
    held = found.train.held
    while isinstance(held, np.ndarray) and not isinstance(held, np.memmap):
        held = held.base
    assert isinstance(held, np.memmap)
    # As an array of its own: nobody else sees what is written.
    found.train.labels[:] = 0
    assert same(read_source(tmp_path / "images"), source)


def test_arrays_of_any_layout_and_none_at_all(tmp_path):
    pixels = np.arange(2 * 3 * 4 * 5, dtype=np.uint8).reshape(4, 5, 3, 2).T
    images = LabelledImages(pixels, np.array([1, 0]))
    empty = LabelledImages(pixels[:0], np.array([], int))
    source = replace(open_digits(), train=images, validation=empty, test=images.take(np.array([1])))
    write_source(source, tmp_path / "images")
    assert same(read_source(tmp_path / "images"), source)
