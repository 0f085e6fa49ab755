import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import v2

from normscope import scan
from normscope.auditing.variants import Preparation
from normscope.detection.inputs import sample_images
from normscope.errors import NormscopeError
from normscope.images.resizing import resized
from normscope.images.size import Size, as_resize
from normscope.images.transform import ImageTransform
from normscope.reports.commands import scan_command
from normscope.statistics.reading import RESIZED_BYTES, Reading
from normscope.statistics.stats import stats
from normscope.studies.specification import ScanSpec
from normscope.trials.plain_data import converter

side = st.integers(2, 40)


@given(height=side, width=side, to=st.tuples(side, side), dtype=st.sampled_from(["u1", "f4"]))
@settings(max_examples=60, deadline=None)
def test_bits_are_torchvisions(height, width, to, dtype):
    pixels = np.random.default_rng(height * width).integers(0, 256, (1, 3, height, width))
    pixels = pixels.astype(dtype)
    expected = v2.Resize(to, antialias=True)(torch.from_numpy(pixels))
    np.testing.assert_array_equal(resized(pixels, None, Size(*to), None)[0], expected.numpy())


def test_a_crop_behind_it_is_torchvisions():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 50, 70), np.uint8)
    expected = v2.Compose([v2.Resize((40, 30)), v2.CenterCrop(24)])(torch.from_numpy(pixels))
    np.testing.assert_array_equal(resized(pixels, None, Size(40, 30), 24)[0], expected.numpy())


@pytest.mark.parametrize(
    ("said", "meant"),
    [("256", 256), (256, 256), ("224x160", (224, 160)), ([224, 160], (224, 160)), (None, None)],
)
def test_what_may_be_said(said, meant):
    assert as_resize(said) == meant
    assert ImageTransform(said).resize == meant


@pytest.mark.parametrize("said", ["", "x", "12x", "1x2x3", "a", "2.5", 2.5, (1, 2, 3), True])
def test_what_may_not(said):
    with pytest.raises(NormscopeError) as error:
        as_resize(said)
    assert str(error.value) == (
        f"--resize must be the shorter side or HEIGHTxWIDTH in pixels, got {said!r}. "
        "Write it as 256 or 224x160."
    )


def test_sides_are_bounded():
    with pytest.raises(NormscopeError) as error:
        ImageTransform(as_resize("0x5"))
    assert str(error.value) == "--resize must be at least 1 pixel, got 0x5. Give a larger number."
    with pytest.raises(NormscopeError) as error:
        ImageTransform(as_resize("8x20"), crop=9)
    assert str(error.value) == (
        "--crop must be no larger than --resize, got 9 and 8x20. Resize to more pixels, or crop to "
        "fewer."
    )
    with pytest.raises(NormscopeError) as error:
        Reading(resize=Size(5, 20_000))
    assert str(error.value) == "--resize must be from 1 to 14142, got 20000. Give a whole number."


def test_statistics_are_those_of_the_resized_images():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 3, 21, 33), np.uint8)
    small = v2.Resize((8, 12))(torch.from_numpy(pixels)).numpy() / 255
    found = stats(pixels, resize="8x12", layout="NCHW")
    assert found.pixels == 5 * 8 * 12
    assert found.mean.value == pytest.approx(small.mean((0, 2, 3)))


def test_arrays_that_grow_are_resized_in_parts():
    reading = Reading(resize=Size(64, 128))
    assert reading.images_at_once(np.zeros((9, 1, 2, 2), np.uint8)) == RESIZED_BYTES // (64 * 128)


def test_a_study_keeps_it_and_older_ones_still_open(tmp_path):
    scan(
        "digits", mean="0.3", std="0.3,0.4", epochs=1, train_images=100, seeds=1,
        resize="9x10", out=tmp_path / "study",
    )  # fmt: skip
    assert 'resize = "9x10"' in (tmp_path / "study" / "study.toml").read_text()
    specification = ScanSpec.read_toml(tmp_path / "study" / "study.toml")
    assert specification.trial.images.resize == Size(9, 10)
    assert "--resize=9x10" in scan_command(specification)
    for resize in (None, 256, Size(3, 4)):
        transform = ImageTransform(resize)
        plain = json.loads(json.dumps(converter.unstructure(transform)))
        assert converter.structure(plain, ImageTransform) == transform
        assert ImageTransform(**transform.to_json()) == transform


def test_an_audit_says_it_and_a_detection_takes_it(tmp_path):
    assert Preparation(ImageTransform(Size(8, 12)), 3).in_words() == "resized to 8x12"
    pixels = np.random.default_rng(0).integers(0, 256, (4, 3, 21, 33), np.uint8)
    found = sample_images(pixels, 4, Reading(resize=as_resize("8x12")))
    np.testing.assert_array_equal(found, v2.Resize((8, 12))(torch.from_numpy(pixels)).numpy())


@pytest.mark.parametrize("resize", ["1x1", "1"])
def test_one_pixel_is_what_pillow_makes(tmp_path, resize):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 10, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = stats(tmp_path, resize=resize, scale=1)
    assert found.pixels == 1
    expected = Image.fromarray(pixels).resize((1, 1), Image.Resampling.BILINEAR)
    np.testing.assert_allclose(found.mean.value, expected.getpixel((0, 0)), atol=1)
