"""Parquet and Arrow tables of encoded images."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from normscope import stats
from normscope.cli.app import run
from normscope.errors import NormscopeError
from normscope.images.stream import open_stream
from tests.images.containers.made import check, decoded, encode, random_images, try_damaged

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def _hugging_face(encoded):
    return pa.array([{"bytes": data, "path": f"{k}.png"} for k, data in enumerate(encoded)], IMAGE)


def _stream(table, path, size=None):
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table, size)


def _file(table, path):
    pa.feather.write_feather(table, path, compression="lz4", chunksize=7)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP"])
@pytest.mark.parametrize("column", ["bytes", "large bytes", "image"])
def test_the_same_bits_as_the_images(tmp_path, kind, column):
    encoded = [encode(image, kind) for image in random_images(20)]
    values = {
        "bytes": pa.array(encoded),
        "large bytes": pa.array(encoded, pa.large_binary()),
        "image": _hugging_face(encoded),
    }[column]
    table = pa.table({"label": list(range(20)), "image": values, "key": ["k"] * 20})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=6)
    _file(table, tmp_path / "a.arrow")
    _stream(table, tmp_path / "b.arrow", 7)
    for name in ("a.parquet", "a.arrow", "b.arrow"):
        check(stats(tmp_path / name, workers=2), decoded(encoded))


def test_a_large_row_group_is_decoded_by_all_workers(tmp_path, monkeypatch):
    encoded = [encode(image) for image in random_images(70)]
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"image": encoded}), path, row_group_size=50)
    expected = stats(path, batch_size=9).to_json()
    assert [shard.count for shard in open_stream(path).shards()] == [50, 20]
    monkeypatch.setattr("normscope.images.containers.parquet.MOST_GROUP_BYTES", 6000)
    shards = list(open_stream(path).shards())
    assert [(shard.start, shard.count) for shard in shards] == [(0, 32), (32, 18), (50, 20)]
    assert sum(shard.units for shard in shards) == pytest.approx(1)
    assert stats(path, batch_size=9).to_json() == expected


def test_rows_that_hold_no_image_are_named(tmp_path):
    images = [encode(image) for image in random_images(20)]
    broken = [*images[:17], b"no image", None, images[19][:60]]
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"image": pa.array(broken)}), path, row_group_size=10)
    _stream(pa.table({"image": pa.array(broken)}), tmp_path / "a.arrow")
    for file in (path, tmp_path / "a.arrow"):
        found = stats(file)
        check(found, decoded(images[:17]))
        assert [(str(s.path), s.reason.split(":")[0]) for s in found.skipped] == [
            (f"{file} row 17", "not an image in a known format"),
            (f"{file} row 18", "a row without bytes"),
            (f"{file} row 19", "image file is truncated"),
        ]


def test_a_path_without_bytes_is_not_followed(tmp_path):
    (tmp_path / "secret.png").write_bytes(encode(random_images(1)[0]))
    rows = [{"bytes": None, "path": str(tmp_path / "secret.png")}, None]
    _stream(pa.table({"image": pa.array(rows, IMAGE)}), tmp_path / "a.arrow")
    with pytest.raises(NormscopeError) as error:
        stats(tmp_path / "a.arrow")
    assert str(error.value) == (
        f"{tmp_path}/a.arrow must hold at least one readable image, got 2 that cannot be read, "
        f"the first {tmp_path}/a.arrow row 0: a path without bytes: {tmp_path}/secret.png. "
        "Check the source."
    )


def test_the_column_is_found_or_asked_for(tmp_path):
    images = random_images(6)
    left, right = [encode(i) for i in images[:3]], [encode(i) for i in images[3:]]
    path = tmp_path / "a.parquet"
    table = pa.table({"n": [1, 2, 3], "left": left, "right": right, "other": [b"a", b"b", b"c"]})
    pq.write_table(table, path)
    check(stats(f"{path}::left"), images[:3])
    check(stats(f"{path}::right"), images[3:])
    for source, sentence in (
        (path, f"{path} must hold one column of images to know which is meant, got left and right. "
         f"Choose one, as {path}::left."),
        (f"{path}::n", f"{path}::n must name a column of bytes or of Hugging Face images, got "
         "n (int64). Choose another column."),
        (f"{path}::x", f"{path}::x must name a column of bytes or of Hugging Face images, got the "
         "columns n (int64), left (binary), right (binary) and other (binary). "
         "Choose another column."),
    ):  # fmt: skip
        with pytest.raises(NormscopeError) as error:
            stats(source)
        assert str(error.value) == sentence
    pq.write_table(table.select(["n", "other"]), path)
    with pytest.raises(NormscopeError) as error:
        stats(path)
    assert str(error.value) == (
        f"{path} must hold a column of encoded images (bytes, or Hugging Face's), got the columns "
        "n (int64) and other (binary). Choose another file."
    )
    pq.write_table(table.select(["other", "left"]), path)
    check(stats(path), images[:3])


def test_tables_without_rows(tmp_path):
    table = pa.table({"image": pa.array([], pa.binary())})
    pq.write_table(table, tmp_path / "a.parquet")
    _stream(table, tmp_path / "a.arrow")
    _file(table, tmp_path / "b.arrow")
    for name in ("a.parquet", "a.arrow", "b.arrow"):
        with pytest.raises(NormscopeError) as error:
            stats(tmp_path / name)
        assert str(error.value) == (
            f"{tmp_path / name} must hold at least one readable image, got none. Check the source."
        )


def test_a_folder_of_parts_has_splits(tmp_path):
    images = random_images(8)
    folder = tmp_path / "hub"
    (folder / "data").mkdir(parents=True)
    (folder / "README.md").write_text("# data")
    names = ["train-00000-of-00002", "train-00001-of-00002", "validation-00000-of-00001", "test"]
    for k, name in enumerate(names):
        encoded = [encode(i) for i in images[2 * k : 2 * k + 2]]
        pq.write_table(pa.table({"image": encoded}), folder / "data" / f"{name}.parquet")
    check(stats(folder), images[:4])
    check(stats(folder, split="val"), images[4:6])
    check(stats(f"{folder}::image", split="test"), images[6:])
    assert stats(folder, split="all").images == 8
    check(stats(f"{folder}/data/train-*.parquet::image"), images[:4])
    check(stats(f"{folder}/data/train-{{00000..00001}}-of-00002.parquet"), images[:4])
    (folder / "data" / "train-00000-of-00002.parquet").rename(folder / "data" / "other.parquet")
    (folder / "data" / "train-00001-of-00002.parquet").unlink()
    with pytest.raises(NormscopeError) as error:
        stats(folder, split="train")
    assert str(error.value) == (
        f"{folder} must hold a split train for split='train', got other, test, validation. "
        "Choose a split that is there, or all."
    )
    with pytest.raises(NormscopeError) as error:
        stats(folder / "data" / "test.parquet", split="train")
    assert str(error.value) == (
        f"{folder}/data/test.parquet must hold splits for split='train', got one collection "
        "without names. Leave out split, or pass all."
    )


def test_a_table_beside_images_is_passed_over(tmp_path):
    images = random_images(2)
    (tmp_path / "a.png").write_bytes(encode(images[0]))
    pq.write_table(pa.table({"image": [encode(images[1])]}), tmp_path / "metadata.parquet")
    check(stats(tmp_path), images[:1])


@pytest.mark.parametrize(
    ("name", "kind"), [("a.parquet", "Parquet file"), ("a.arrow", "Arrow file or stream")]
)
def test_other_formats_under_these_suffixes(tmp_path, name, kind):
    path = tmp_path / name
    for data in (b"", b"no table", encode(random_images(1)[0]), bytes(300)):
        path.write_bytes(data)
        with pytest.raises(NormscopeError) as error:
            stats(path)
        assert str(error.value).startswith(f"{path} must be a whole {kind}, got")
        assert str(error.value).endswith(". Copy it again, or write it again.")


@pytest.mark.parametrize("kind", ["parquet", "file", "stream"])
def test_damaged_tables_end_in_a_sentence(tmp_path, kind):
    encoded = [encode(image) for image in random_images(4, (4, 4, 3))]
    table = pa.table({"image": _hugging_face(encoded)})
    path, copy = tmp_path / "a.bin", tmp_path / ("b.parquet" if kind == "parquet" else "b.arrow")
    if kind == "parquet":
        pq.write_table(table, path, row_group_size=2, compression="zstd")
    else:
        (_file if kind == "file" else _stream)(table, path)
    try_damaged(path, copy)


def test_a_hostile_column_is_printed_as_text(tmp_path, capsys):
    path = tmp_path / "a\x1b[31m.parquet"
    pq.write_table(pa.table({"x\x1b]0;t\7": [1]}), path)
    assert run(["stats", str(path)]) == 2
    written = capsys.readouterr().err
    assert "\x1b" not in written
    assert "x\\x1b]0;t\\x07 (int64)" in written


def test_an_interrupted_run_goes_on(tmp_path):
    path, out = tmp_path / "a.parquet", tmp_path / "out"
    encoded = [encode(image) for image in random_images(12)]
    pq.write_table(pa.table({"image": encoded}), path, row_group_size=4)
    first = stats(path, out=out)
    shards = sorted((out / "shards").iterdir())
    assert len(shards) == 3
    shards[0].unlink()
    assert stats(path, out=out).to_json() == first.to_json()


def test_a_link_to_a_table_is_followed(tmp_path):
    images = random_images(3)
    pq.write_table(pa.table({"image": [encode(i) for i in images]}), tmp_path / "real.bin")
    (tmp_path / "a.parquet").symlink_to("real.bin")
    check(stats(tmp_path / "a.parquet"), images)
