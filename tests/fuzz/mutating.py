"""Damage to bytes, by a seed: what disks, networks and people do to files."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

NUMBERS = (b"\0", b"\xff", b"\x7f", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff")
WORDS = (b"nan", b"-1", b"1e999", b"null", b"[]", b"{}", b'""', b"9" * 25, b"true", b"\n", b'"')


def mutated(data: bytes, rng: random.Random) -> bytes:
    """The bytes with one to four faults."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        data = rng.choice(FAULTS)(data, rng)
    return data


def cut(data, rng):
    return data[: rng.randrange(len(data) + 1)]


def flipped(data, rng):
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8, 64)) if data else 0):
        changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def zeroed(data, rng):
    start, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    return data[:start] + bytes(end - start) + data[end:]


def without_a_part(data, rng):
    start, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    return data[:start] + data[end:]


def with_a_part_twice(data, rng):
    start, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    return data[:end] + data[start : min(end, start + 2**16)] + data[end:]


def with_other_numbers(data, rng):
    number = rng.choice((*NUMBERS, *WORDS))
    # Headers stand at the beginning, directories at the end.
    start = rng.choice((rng.randrange(64), rng.randrange(len(data) + 1), max(0, len(data) - 64)))
    return data[:start] + number + data[start + len(number) :]


FAULTS = (
    cut, flipped, flipped, flipped, zeroed, without_a_part, with_a_part_twice, with_other_numbers,
    with_other_numbers,
)  # fmt: skip
