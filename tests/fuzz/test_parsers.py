"""Whatever text or bytes the parsers of our own are given, they read it or say why not."""

from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from normscope.errors import NormscopeError
from normscope.images.choosing import Choice
from normscope.images.decode import decode
from normscope.images.exif import orientation_of
from normscope.images.idx import read_idx
from normscope.images.pixels import UnreadableImage
from normscope.images.size import as_resize
from normscope.normalization import Normalization
from normscope.studies.axis import Axis
from normscope.studies.ranges import Range
from normscope.studies.specification import ScanSpec

FIXED = settings(
    max_examples=150, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
NUMBERS = st.one_of(st.floats().map(repr), st.integers().map(str), st.just(""), st.text(max_size=3))
TEXTS = st.one_of(
    st.text(max_size=60),
    st.lists(NUMBERS, max_size=5).flatmap(
        lambda parts: st.sampled_from([mark.join(parts) for mark in (":", ",", "/", "x", "=", ".")])
    ),
)


@FIXED
@given(TEXTS)
def test_a_normalization(text):
    with contextlib.suppress(NormscopeError):
        read = Normalization.parse(text)
        assert all(math.isfinite(m) for m in read.mean)
        assert all(0 < s < math.inf for s in read.std)
        assert Normalization.parse(str(read)) == read


@FIXED
@given(TEXTS)
def test_an_axis(text):
    with contextlib.suppress(NormscopeError):
        values = Axis.parse("mean", text).values
        assert values
        assert all(math.isfinite(value) for value in values)


@FIXED
@given(st.sampled_from(["", "mean=", "std=", "lr=", "epochs=", "mean-r="]), TEXTS)
def test_a_range(name, text):
    with contextlib.suppress(NormscopeError):
        read = Range.parse(name + text)
        assert -math.inf < read.low <= read.high < math.inf


@FIXED
@given(TEXTS)
def test_a_size(text):
    with contextlib.suppress(NormscopeError):
        read = as_resize(text)
        assert as_resize(str(read)) == read


@FIXED
@given(TEXTS, TEXTS)
def test_a_choice(select, bands):
    with contextlib.suppress(NormscopeError):
        names = Choice(select, bands).band_names
        assert len(set(names)) == len(names)
        assert all(names)


HEADS = st.sampled_from(
    [
        b"", b"\xff\xd8\xff\xe0", b"\xff\xd8\xff\xe1\0\x20Exif\0\0II*\0\x08\0\0\0",
        b"\x89PNG\r\n\x1a\n",
        b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"GIF89a", b"BM", b"RIFF", b"\x93NUMPY\x01\0v\0{",
        b"#?RADIANCE\n", b"v/1\x01", b"\xff\x0a", b"\x1f\x8b", b"P6\n",
    ]
)  # fmt: skip
BYTES = st.tuples(HEADS, st.binary(max_size=200)).map(b"".join)


@pytest.mark.filterwarnings("ignore")
@FIXED
@given(BYTES)
def test_an_image(data):
    with contextlib.suppress(UnreadableImage):
        assert decode(data).values.ndim == 4


@FIXED
@given(BYTES)
def test_an_orientation_of(data):
    assert orientation_of(data) in range(1, 9)


@FIXED
@given(
    st.tuples(st.sampled_from([b"\0\0\x08\x03", b"\0\0\x08\x01", b""]), st.binary(max_size=40)).map(
        b"".join
    )
)
def test_an_idx_file(tmp_path, data):
    path = tmp_path / "a.idx"
    path.write_bytes(data)
    with contextlib.suppress(NormscopeError):
        assert read_idx(path).size == len(data) - 4 - 4 * data[3]


VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.dates()
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=4,
)


@FIXED
@given(st.data())
def test_a_specification(seeds, data):
    whole = ScanSpec.read_toml(seeds / "study.toml").to_json()
    name = data.draw(st.sampled_from(sorted(whole)))
    with contextlib.suppress(NormscopeError):
        read = ScanSpec.from_json(whole | {name: data.draw(VALUES)})
        assert ScanSpec.from_json(read.to_json()) == read
