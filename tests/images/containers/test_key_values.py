"""LMDB databases, made by the library and read without it."""

from __future__ import annotations

import numpy as np
import pytest

from normscope import stats
from normscope.errors import NormscopeError
from normscope.images.stream import open_stream
from tests.images.containers.made import check, encode, random_images, try_damaged

lmdb = pytest.importorskip("lmdb", reason="the package lmdb is not installed")


def _make(path, values, subdir=True, database=None):
    with lmdb.open(str(path), map_size=2**26, subdir=subdir, max_dbs=4) as environment:
        named = None if database is None else environment.open_db(database)
        with environment.begin(write=True, db=named) as transaction:
            for key, value in values.items():
                transaction.put(key, value)
    return path


@pytest.mark.parametrize("size", [(4, 5, 3), (30, 30, 3), (90, 90, 3)])
def test_the_same_bits_as_the_images(tmp_path, size):
    # Small values lie in the pages of keys, large ones in pages of their own.
    images = random_images(300 if size[0] < 9 else 20, size)
    values = {f"{k:05}".encode(): encode(image) for k, image in enumerate(images)}
    folder = _make(tmp_path / "folder", values)
    file = _make(tmp_path / "a.lmdb", values, subdir=False)
    other = _make(tmp_path / "a.mdb", values, subdir=False)
    for path in (folder, file, other):
        check(stats(path, workers=2), images)
    read = {
        image.name.encode(): image.read()
        for shard in open_stream(file).shards()
        for image in shard.encoded
    }
    assert list(read.items()) == sorted(values.items())


def test_values_that_are_no_images_are_counted(tmp_path):
    images = random_images(3)
    values = {f"image-{k}".encode(): encode(image) for k, image in enumerate(images)}
    # The second value is a Datum of Caffe: channels, height and width as protobuf.
    others = {b"num-samples": b"3", b"datum": bytes.fromhex("0803100218022204ffffffff"), b"e": b""}
    found = stats(_make(tmp_path / "a", values | others))
    check(found, images)
    assert any(
        note == "Passed over 3 files that are not images: LMDB values (3)." for note in found.notes
    )


def test_databases_within_a_database_and_deleted_values(tmp_path):
    images = random_images(40)
    path = tmp_path / "a"
    _make(path, {b"%05d" % k: encode(images[k]) for k in range(20)}, database=b"left")
    _make(path, {b"%05d" % k: encode(images[k]) for k in range(20, 40)}, database=b"right")
    check(stats(path), images)
    with (
        lmdb.open(str(path), map_size=2**26, max_dbs=4) as environment,
        environment.begin(write=True, db=environment.open_db(b"left")) as transaction,
    ):
        for k in range(0, 20, 2):
            transaction.delete(b"%05d" % k)
    check(stats(path), np.concatenate([images[1:20:2], images[20:]]))


def test_empty_and_other_files(tmp_path):
    path = _make(tmp_path / "a", {})
    with pytest.raises(NormscopeError) as error:
        stats(path)
    assert str(error.value) == (
        f"{path} must hold at least one readable image, got none. Check the source."
    )
    for data in (b"", b"no database", encode(random_images(1)[0]), bytes(9000)):
        (tmp_path / "b.mdb").write_bytes(data)
        with pytest.raises(NormscopeError) as error:
            stats(tmp_path / "b.mdb")
        assert str(error.value) == (
            f"{tmp_path}/b.mdb must be an LMDB database, got a file of another kind. "
            "Check the path, or write it again."
        )
    with pytest.raises(NormscopeError) as error:
        stats(f"{path}::x")
    assert str(error.value) == f"{path} must be read whole, got the part x. Leave out ::x."


def test_a_database_that_is_cut(tmp_path):
    values = {b"%d" % k: encode(image) for k, image in enumerate(random_images(9, (90, 90, 3)))}
    path = _make(tmp_path / "a.lmdb", values, subdir=False)
    path.write_bytes(path.read_bytes()[:40000])
    with pytest.raises(
        NormscopeError, match=r"must be a whole LMDB database, got .* Copy it again\.$"
    ):
        stats(path)


@pytest.mark.parametrize("size", [(4, 4, 3), (60, 60, 3)])
def test_damaged_databases_end_in_a_sentence(tmp_path, size):
    values = {b"%d" % k: encode(image) for k, image in enumerate(random_images(30, size))}
    path = _make(tmp_path / "a.lmdb", values, subdir=False)
    try_damaged(path, tmp_path / "b.lmdb")


def test_names_with_escape_characters(tmp_path):
    key = b"\x1b[31m\xff\0.png"
    found = stats(_make(tmp_path / "a", {key: encode(random_images(1)[0])[:60], b"b": encode(
        random_images(1)[0])}))  # fmt: skip
    assert [s.path.name for s in found.skipped] == ["\x1b[31m\\xff\\0.png"]
