"""What the package ``datasets`` makes and saves, and iterables of paths and of bytes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from normscope import stats
from normscope.errors import NormscopeError
from tests.images.containers.made import check, encode, random_images

datasets = pytest.importorskip("datasets", reason="the package datasets is not installed")


@pytest.fixture
def images():
    return random_images(7)


def _data_set(images, name="image"):
    features = datasets.Features({name: datasets.Image(), "label": datasets.Value("int64")})
    rows = {name: [Image.fromarray(image) for image in images], "label": [0] * len(images)}
    return datasets.Dataset.from_dict(rows, features)


def test_a_data_set(images):
    check(stats(_data_set(images, "photo")), images)
    check(stats(_data_set(images).to_iterable_dataset()), images)
    check(stats(_data_set(images).select([1, 3])), images[[1, 3]])
    check(stats(_data_set(images).with_format("numpy")), images)
    check(stats(_data_set(images).with_format("numpy").to_iterable_dataset()), images)


def test_paths_of_a_data_set_are_read(tmp_path, images):
    paths = [tmp_path / f"{k}.png" for k in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        path.write_bytes(encode(image))
    features = datasets.Features({"image": datasets.Image()})
    source = datasets.Dataset.from_dict({"image": [str(p) for p in paths]}, features)
    check(stats(source), images)
    paths[2].write_bytes(b"no image")
    paths[3].unlink()
    found = stats(source)
    check(found, images[[0, 1, 4, 5, 6]])
    assert [(str(s.path), s.reason.partition(":")[0]) for s in found.skipped] == [
        ("row 2", "not an image in a known format"),
        ("row 3", "No such file or directory"),
    ]


def test_splits(images):
    splits = datasets.DatasetDict(
        {"train": _data_set(images[:4]), "validation": _data_set(images[4:])}
    )
    check(stats(splits), images[:4])
    check(stats(splits, split="val"), images[4:])
    check(stats(splits, split="all"), images)
    with pytest.raises(NormscopeError) as error:
        stats(splits, split="test")
    assert str(error.value) == (
        "DatasetDict must hold a split test for split='test', got train, validation. "
        "Choose a split that is there, or all."
    )
    splits = datasets.DatasetDict({"train": datasets.Dataset.from_dict({"n": [1]})})
    with pytest.raises(NormscopeError) as error:
        stats(splits)
    assert str(error.value) == (
        "each split of the DatasetDict must have one column of the feature Image and no format, "
        "got the columns n. Give one split instead."
    )


def test_saved_data_sets(tmp_path, images):
    one = _data_set(images)
    one.save_to_disk(tmp_path / "one", num_shards=2)
    check(stats(tmp_path / "one"), images)
    check(stats(f"{tmp_path}/one::image"), images)
    splits = datasets.DatasetDict({"train": one.select([0, 1]), "test": one.select([2])})
    splits.save_to_disk(tmp_path / "both")
    check(stats(tmp_path / "both"), images[:2])
    check(stats(tmp_path / "both", split="test"), images[2:3])
    check(stats(tmp_path / "both", split="all"), images[:3])


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("", "JSONDecodeError Expecting value: line 1 column 1 (char 0)"),
        ("[]", "TypeError list indices must be integers or slices, not str"),
        (json.dumps({"_data_files": [{"filename": "../a"}]}), "ValueError a name that is no "
         "file's"),
    ],
)  # fmt: skip
def test_a_damaged_saved_data_set(tmp_path, text, met):
    (tmp_path / "state.json").write_text(text)
    with pytest.raises(NormscopeError) as error:
        stats(tmp_path)
    assert str(error.value) == (
        f"{tmp_path}/state.json must list the files of a saved data set, got: {met}. "
        "Save the data set again with save_to_disk."
    )


def test_iterables_of_paths_and_of_bytes(tmp_path, images):
    encoded = [encode(image) for image in images]
    paths = [tmp_path / f"{k}.png" for k in range(len(images))]
    for path, data in zip(paths, encoded, strict=True):
        path.write_bytes(data)
    check(stats(iter(paths)), images)
    check(stats(map(str, paths)), images)
    check(stats(encoded), images)
    check(stats(iter(encoded)), images)
    check(stats((path, 3) for path in paths), images)
    check(stats({"image": data} for data in map(bytearray, encoded)), images)
    mixed = [encoded[0], paths[1], images[2], Image.fromarray(images[3]), *encoded[4:]]
    assert stats(mixed, batch_size=2).to_json() == (
        stats(list(images), batch_size=2).to_json() | {"source": "list"}
    )


def test_items_that_are_no_images_are_named(tmp_path, images):
    encoded = [encode(image) for image in images]
    found = stats(iter([*encoded[:2], b"", tmp_path / "none.png", b"no image", encoded[2]]))
    check(found, images[:3])
    assert [(str(s.path), s.reason.partition(":")[0]) for s in found.skipped] == [
        ("image 2", "an empty file"),
        (f"{tmp_path}/none.png", "No such file or directory"),
        ("image 4", "not an image in a known format"),
    ]


def test_a_run_over_bytes_goes_on(tmp_path, images):
    encoded = [encode(image) for image in np.tile(images, (6, 1, 1, 1))]
    first = stats(encoded, out=tmp_path)
    shards = sorted((tmp_path / "shards").iterdir())
    assert len(shards) == 2
    shards[1].unlink()
    assert stats(encoded, out=tmp_path).to_json() == first.to_json()
