"""The bytes features of a TensorFlow ``Example``, read from its protobuf without its library.

An Example is ``features: 1 = Features``, that is ``feature: 1 = map<string, Feature>``, whose
entries are ``key: 1``, ``value: 2``; a Feature's bytes are ``bytes_list: 1 = BytesList``, that is
``value: 1 = repeated bytes`` (tensorflow/core/example/feature.proto).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

VARINT, EIGHT_BYTES, BYTES, FOUR_BYTES = 0, 1, 2, 5
LONGEST_VARINT = 10


class DamagedMessage(ValueError):
    """Bytes that are no protobuf message; its text says why."""


def bytes_features(example: memoryview) -> Iterator[tuple[str, memoryview]]:
    """The values of the features of an Example that are bytes.

    Args:
        example: The message.

    Yields:
        Each value with its feature's key, without a copy.

    Raises:
        DamagedMessage: If it is no such message.
    """
    for features in _fields(example, 1):
        for entry in _fields(features, 1):
            for key in _fields(entry, 1):
                name = bytes(key).decode("utf-8", "backslashreplace")
                for feature in _fields(entry, 2):
                    for values in _fields(feature, 1):
                        for value in _fields(values, 1):
                            yield name, value


def _fields(message: memoryview, wanted: int) -> Iterator[memoryview]:
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == VARINT:
            _, at = _varint(message, at)
        elif kind in {EIGHT_BYTES, FOUR_BYTES}:
            at += 8 if kind == EIGHT_BYTES else 4
        elif kind == BYTES:
            size, at = _varint(message, at)
            if at + size > len(message):
                raise DamagedMessage("a field that is longer than its message")
            if tag >> 3 == wanted:
                yield message[at : at + size]
            at += size
        else:
            raise DamagedMessage(f"a field of the unknown type {kind}")
    if at > len(message):
        raise DamagedMessage("a field that is longer than its message")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(message[at : at + LONGEST_VARINT]):
        value |= (byte & 127) << 7 * index
        if byte < 128:
            return value, at + index + 1
    raise DamagedMessage("a number without an end")
