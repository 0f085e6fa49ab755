"""TFRecord files, made by protobuf's own library and by the rule of TensorFlow."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from normscope import stats
from normscope.errors import NormscopeError
from tests.images.containers.made import check, encode, random_images, try_damaged

pytest.importorskip("google.protobuf", reason="the package protobuf is not installed")


@pytest.fixture(scope="module")
def example():
    """The message class Example, declared as in tensorflow/core/example."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="example.proto", package="t", syntax="proto3")
    scalar, message = descriptor_pb2.FieldDescriptorProto, 11
    for name, kind in (("BytesList", 12), ("FloatList", 2), ("Int64List", 3)):
        declared = file.message_type.add(name=name)
        declared.field.add(name="value", number=1, type=kind, label=scalar.LABEL_REPEATED)
    feature = file.message_type.add(name="Feature")
    feature.oneof_decl.add(name="kind")
    for number, name in enumerate(("bytes_list", "float_list", "int64_list"), 1):
        kind = ".t." + name.title().replace("_", "")
        feature.field.add(
            name=name, number=number, type=message, type_name=kind, label=1, oneof_index=0
        )
    features = file.message_type.add(name="Features")
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=9, label=1)
    entry.field.add(name="value", number=2, type=message, type_name=".t.Feature", label=1)
    features.field.add(
        name="feature", number=1, type=message, type_name=".t.Features.FeatureEntry", label=3
    )
    example = file.message_type.add(name="Example")
    example.field.add(name="features", number=1, type=message, type_name=".t.Features", label=1)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("t.Example"))


def _crc32c(data):
    # One bit at a time, by the polynomial of Castagnoli.
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def _masked(data):
    crc = _crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32)


def _frame(data):
    length = struct.pack("<Q", len(data))
    return length + _masked(length) + data + _masked(data)


def _record(example, **features):
    made = example()
    for key, value in features.items():
        feature = made.features.feature[key.replace("__", "/")]
        if isinstance(value, int):
            feature.int64_list.value.append(value)
        elif isinstance(value, float):
            feature.float_list.value.append(value)
        else:
            feature.bytes_list.value.extend(value if isinstance(value, list) else [value])
    return _frame(made.SerializeToString())


def _records(example, images, **others):
    return [
        _record(example, image__encoded=encode(image), image__class__label=3, box=0.5, **others)
        for image in images
    ]


def test_checksums_are_the_known_ones():
    from normscope.images.containers.tfrecord import masked_checksum

    # Of RFC 3720, appendix B.4.
    assert _crc32c(bytes(32)) == 0x8A9136AA
    for data in (b"", b"123456789", bytes(range(256))):
        assert struct.pack("<I", masked_checksum(data)) == _masked(data)


@pytest.mark.parametrize(
    "name", ["a.tfrecord", "a.tfrecords", "train-00000-of-00001", "a.tfrecord-00000-of-00001"]
)
def test_the_same_bits_as_the_images(tmp_path, example, name):
    images = random_images(40)
    path = tmp_path / name
    path.write_bytes(b"".join(_records(example, images, image__format=b"png")))
    check(stats(path, workers=2), images)
    check(stats(f"{path}::image/encoded"), images)


def test_a_folder_of_parts(tmp_path, example):
    images = random_images(6)
    for k, name in enumerate(["train-00000-of-00002", "train-00001-of-00002",
                              "validation-00000-of-00001"]):  # fmt: skip
        (tmp_path / name).write_bytes(b"".join(_records(example, images[2 * k : 2 * k + 2])))
    check(stats(tmp_path), images[:4])
    check(stats(tmp_path, split="val"), images[4:])
    check(stats(f"{tmp_path}/train-{{00000..00001}}-of-00002"), images[:4])


def test_the_feature_is_found_or_asked_for(tmp_path, example):
    images = random_images(4)
    path = tmp_path / "a.tfrecord"
    path.write_bytes(
        _record(example, left=[encode(images[0]), encode(images[1])], right=encode(images[2]))
        + _record(example, right=encode(images[3]), text=b"words")
    )
    found = stats(f"{path}::left")
    check(found, images[:2])
    assert any(
        note == "Passed over 1 file that is not an image: records without left (1)."
        for note in found.notes
    )
    check(stats(f"{path}::right"), images[2:])
    with pytest.raises(NormscopeError) as error:
        stats(path)
    left, right = sorted(["left", "right"], key=str(error.value).index)
    assert str(error.value) == (
        f"{path} must hold one feature of images to know which is meant, got {left} and {right}. "
        f"Choose one, as {path}::{left}."
    )
    path.write_bytes(_record(example, text=b"words", n=3))
    with pytest.raises(NormscopeError) as error:
        stats(path)
    assert str(error.value) == (
        f"{path} must hold TensorFlow Examples with encoded images, got the bytes of text in its "
        f"first records. Name the feature, as {path}::image/encoded."
    )


def test_damaged_records_are_named(tmp_path, example):
    images = random_images(5)
    records = _records(example, images)
    damaged = bytearray(records[2])
    damaged[len(damaged) // 2] ^= 1
    path = tmp_path / "a.tfrecord"
    path.write_bytes(b"".join([*records[:2], damaged, _frame(b"\x0f"), *records[3:]]))
    found = stats(path)
    check(found, images[[0, 1, 3, 4]])
    assert [(str(s.path), s.reason) for s in found.skipped] == [
        (f"{path} record 2", "its checksum differs: it is damaged"),
        (f"{path} record 3", "no TensorFlow Example: a field of the unknown type 7"),
    ]


def test_cut_and_other_files(tmp_path, example):
    path = tmp_path / "a.tfrecord"
    records = _records(example, random_images(2))
    path.write_bytes(b"".join(records)[:-9])
    with pytest.raises(NormscopeError) as error:
        stats(path)
    assert str(error.value) == (
        f"{path} must be whole, got a file that is cut in the record at byte {len(records[0])}. "
        "Copy it again."
    )
    path.write_bytes(records[0] + b"\1" + records[1])
    with pytest.raises(NormscopeError) as error:
        stats(path)
    assert str(error.value) == (
        f"{path} must be whole, got a damaged length at byte {len(records[0])}. Copy it again."
    )
    for data in (b"no records at all", encode(random_images(1)[0])):
        path.write_bytes(data)
        with pytest.raises(NormscopeError) as error:
            stats(path)
        assert str(error.value) == (
            f"{path} must be an uncompressed TFRecord file, got a file of another kind. "
            "Check the path, or write it again."
        )
    path.write_bytes(b"")
    with pytest.raises(NormscopeError) as error:
        stats(path)
    assert str(error.value) == (
        f"{path} must hold at least one readable image, got none. Check the source."
    )


def test_a_length_that_is_a_lie_is_not_believed(tmp_path):
    length = struct.pack("<Q", 2**62)
    path = tmp_path / "a.tfrecord"
    path.write_bytes(length + _masked(length) + b"x" * 100)
    with pytest.raises(NormscopeError, match="is cut in the record at byte 0"):
        stats(path)


def test_damaged_files_end_in_a_sentence(tmp_path, example):
    path = tmp_path / "a.bin"
    path.write_bytes(b"".join(_records(example, random_images(3, (4, 4, 3)))))
    try_damaged(path, tmp_path / "b.tfrecord")


def test_any_bytes_as_an_example_end_in_a_sentence():
    from normscope.images.containers.wire import DamagedMessage, bytes_features

    chance = np.random.default_rng(0)
    for _ in range(2000):
        data = chance.choice([0x0A, 0x12, 2, 4, 8, 0xFF, 1], chance.integers(1, 30))
        try:
            list(bytes_features(memoryview(data.astype(np.uint8).tobytes())))
        except DamagedMessage:
            continue
