"""Images for the tests of files that hold many, and what their statistics must be."""

from __future__ import annotations

import io
import random
from contextlib import suppress

import numpy as np
from PIL import Image

from normscope import stats
from normscope.errors import NormscopeError


def random_images(count=5, size=(9, 7, 3), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *size), np.uint8)


def encode(pixels, kind="PNG") -> bytes:
    data = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(data, kind)
    return data.getvalue()


def decoded(encoded) -> list:
    return [np.asarray(Image.open(io.BytesIO(data))) for data in encoded]


def check(found, images):
    """Compare with NumPy over independently decoded images; integers to the last digit."""
    pixels = np.concatenate([np.reshape(image, (-1, image.shape[-1])) for image in images])
    assert (found.images, found.pixels) == (len(images), len(pixels))
    counts = [np.bincount(channel, minlength=256) for channel in pixels.T]
    np.testing.assert_array_equal(found.histogram, counts)
    np.testing.assert_allclose(found.mean.value, pixels.mean(0) / 255, rtol=1e-14)
    np.testing.assert_allclose(found.std.value, pixels.std(0) / 255, rtol=1e-12)


def try_damaged(path, copy, count=100, **options):
    """Change a few bytes of a file, or cut it, and see that nothing but a sentence comes of it."""
    whole, chance = path.read_bytes(), random.Random(0)
    for _ in range(count):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        copy.write_bytes(data[: chance.choice([len(data), chance.randrange(len(data))])])
        with suppress(NormscopeError):
            stats(copy, workers=1, **options)
