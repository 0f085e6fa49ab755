"""At which size images are shown to weights that a library's word is not about."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from normscope.checking.depth import depth_of
from normscope.checking.options import CheckOptions
from normscope.checking.sizing import met, sizing
from normscope.images.originals import find_originals
from normscope.models.claims import Claims
from normscope.models.preprocessing.claim import Claim

OTHERS = Claim("timm's pretrained_cfg of net", resize=182, crop=160, of_others=True)


@pytest.fixture
def sized(tmp_path):
    def made(claim, *sizes, **options):
        for number, size in enumerate(sizes):
            pixels = np.random.default_rng(number).integers(0, 256, (*size, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        originals = find_originals(tmp_path)
        depth = depth_of(originals, None)
        given = CheckOptions(model="net", images=tmp_path, **options)
        transform, said = sizing(given, Claims((claim,), ()), originals, depth)
        return met(originals, transform, depth)[1], said

    return made


def test_small_images_are_not_enlarged_on_a_librarys_word_about_other_weights(sized):
    assert sized(OTHERS, (64, 48), (64, 48)) == (
        (64, 48),
        [
            "They are shown as they are, since the 160 pixels of timm's pretrained_cfg of net are "
            "of its own weights; if these were trained on enlarged images, give --resize and "
            "--crop."
        ],
    )


@pytest.mark.parametrize("sizes", [[(64, 64), (64, 48)], [(200, 300), (200, 300)]])
def test_large_images_and_those_of_several_sizes_are_shown_at_the_librarys(sized, sizes):
    assert sized(OTHERS, *sizes) == (
        (160, 160),
        [
            "They are shown at the size that timm's pretrained_cfg of net states of its own "
            "weights; if these were trained at another, give --resize and --crop."
        ],
    )


def test_what_is_given_or_said_of_these_very_weights_is_done_without_a_word(sized):
    assert sized(OTHERS, (64, 48), resize=40, crop=32) == ((32, 32), [])
    assert sized(replace(OTHERS, of_others=False), (64, 48)) == ((160, 160), [])
