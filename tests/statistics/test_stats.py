from __future__ import annotations

import io
import json
import math
import tarfile
from fractions import Fraction

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

import normscope
from normscope.errors import NormscopeError, WorkFailed
from normscope.normalization import Normalization
from normscope.statistics import reading
from normscope.statistics.stats import stats
from tests.reference.bits import everything
from tests.reference.fractions_statistics import reference_statistics

RNG = np.random.default_rng(1)


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return RNG.integers(0, 256, (150, 3, 9, 11), dtype=np.uint8)


@pytest.fixture(scope="module")
def folder(pixels, tmp_path_factory):
    root = tmp_path_factory.mktemp("folder")
    for number, image in enumerate(pixels):
        place = root / f"{number // 50}"
        place.mkdir(exist_ok=True)
        Image.fromarray(image.transpose(1, 2, 0)).save(place / f"{number:03}.png")
    return root


@pytest.fixture(scope="module")
def archive(folder, tmp_path_factory):
    path = tmp_path_factory.mktemp("archive") / "images.tar"
    with tarfile.open(path, "w") as tar:
        tar.add(folder, "images", filter=lambda info: info)
        note = tarfile.TarInfo("images/notes.json")
        note.size = 2
        tar.addfile(note, io.BytesIO(b"{}"))
    return path


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_bits_are_equal_for_every_form_and_number_of_workers(
    pixels, folder, archive, tmp_path, workers
):
    np.save(tmp_path / "images.npy", pixels)
    np.savez(tmp_path / "images.npz", images=pixels.transpose(0, 2, 3, 1), labels=np.zeros(150))
    np.savez_compressed(tmp_path / "small.npz", pixels)
    paths = sorted(str(path) for path in folder.rglob("*.png"))
    expected = everything(stats(pixels, batch_size=40, explain=["imagenet", "0.5/0.25"]))
    sources = [
        folder, archive, tmp_path / "images.npy", tmp_path / "images.npz", tmp_path / "small.npz",
        paths, torch.from_numpy(pixels), list(torch.from_numpy(pixels)), iter(pixels),
        torch.utils.data.TensorDataset(torch.from_numpy(pixels), torch.zeros(150)),
        torch.utils.data.DataLoader(torch.from_numpy(pixels), batch_size=64),
        [Image.fromarray(image.transpose(1, 2, 0)) for image in pixels],
        [{"image": image} for image in pixels],
    ]  # fmt: skip
    for source in sources:
        found = stats(source, batch_size=40, explain=["imagenet", "0.5/0.25"], workers=workers)
        assert everything(found) == expected, source


def approx(expected, **tolerance):
    return None if expected is None else pytest.approx(expected, **tolerance)


def test_against_fractions(pixels):
    found = stats(pixels[:20])
    images = [[channel.ravel().tolist() for channel in image] for image in pixels[:20]]
    for c, expected in enumerate(reference_statistics(images, 255)):
        assert found.mean.value[c] == expected["mean"]
        assert found.std.value[c] == pytest.approx(expected["std"], rel=1e-15)
        for name in ("mean_image_std", "root_mean_image_variance"):
            assert getattr(found, name).value[c] == pytest.approx(expected[name], rel=1e-14)
        assert found.mean.se[c] == pytest.approx(expected["mean_se"], rel=1e-14)
        assert found.std.se[c] == pytest.approx(expected["std_se"], rel=1e-14)


TYPES = ("uint8", "int8", "uint16", "int16", "int32", "uint64", "float32", "float64")


@settings(max_examples=60, deadline=None, report_multiple_bugs=False)
@given(st.data())
def test_fuzz_over_shapes_types_splits_and_masks(data):
    dtype = np.dtype(data.draw(st.sampled_from(TYPES)))
    channels = data.draw(st.sampled_from([1, 2, 3, 5]))
    scale = data.draw(st.sampled_from([1.0, 255.0, 1e4]))
    nodata = data.draw(st.sampled_from([None, 0.0, 7.0]))
    elements = (
        st.sampled_from([0.0, 0.1, 7.0, -3.5, 1e4, np.nan])
        if dtype.kind == "f"
        else st.sampled_from([0, 1, 7, 100, 127, int(np.iinfo(dtype).max)])
    )
    images = [
        data.draw(
            hnp.arrays(
                dtype, (channels, *data.draw(st.tuples(st.integers(1, 3), st.integers(5, 6)))),
                elements=elements,
            )
        )
        for _ in range(data.draw(st.integers(1, 5)))
    ]  # fmt: skip
    counted = [
        [
            [v.item() for v in channel.ravel() if v == v and (nodata is None or v != nodata)]
            for channel in image
        ]
        for image in images
    ]
    if any(not any(image[c] for image in counted) for c in range(channels)):
        with pytest.raises(NormscopeError, match="every channel must have at least one pixel"):
            stats([image[None] for image in images], nodata=nodata, scale=scale)
        return
    found = stats([image[None] for image in images], nodata=nodata, scale=scale, workers=2)
    for c, expected in enumerate(reference_statistics(counted, scale)):
        assert found.counted[c] == expected["n"]
        assert found.mean.value[c] == expected["mean"]
        close = {"rel": 1e-9, "abs": 1e-12}
        assert found.std.value[c] == pytest.approx(expected["std"], **close)
        for name in ("mean_image_std", "root_mean_image_variance"):
            assert getattr(found, name).value[c] == pytest.approx(expected[name], **close)
        # The largest 64-bit integers are rounded before their products are summed.
        loose = {"rel": 1e-6, "abs": 1e-9 * max(1.0, abs(found.maximum[c]) / scale)}
        assert found.mean.se[c] == approx(expected["mean_se"], **loose)
        assert found.std.se[c] == approx(expected["std_se"], **loose)


def test_of_one_value_the_std_is_0_without_an_error():
    found = stats([np.full((1, 1, 5), 0.1), np.full((1, 1, 5), 0.1)])
    assert (found.std.value, found.std.se) == ((0.0,), (None,))


def test_large_and_small_small_images_agree():
    """An image of many pixels is counted by histogram, a small one by blocks in float32."""
    large = RNG.integers(0, 256, (2, 3, 300, 301), dtype=np.uint8)
    together = stats(large)
    interleaved = stats([Image.fromarray(image.transpose(1, 2, 0)) for image in large])
    masked = stats(large.astype(np.int16), scale=255.0)
    assert everything(together) == everything(interleaved)
    for name in ("mean", "std", "mean_image_std", "root_mean_image_variance"):
        assert getattr(together, name) == getattr(masked, name)


def test_two_images_of_very_different_size():
    white = np.full((1000, 1000), 255, np.uint8)
    found = stats([white, np.zeros((10, 10), np.uint8)])
    assert round(found.mean.value[0], 4) == 0.9999


def test_normalization_and_json(pixels):
    found = normscope.stats(pixels)
    assert found.normalization == Normalization(found.mean.value, found.std.value)
    data = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert data.keys() >= {
        "images", "pixels", "channels", "dtype", "scale", "mean", "std", "mean_se", "std_se",
        "mean_image_std", "root_mean_image_variance", "batch_mean", "batch_std", "min", "max",
        "digits", "skipped",
    }  # fmt: skip
    assert (data["images"], data["pixels"], data["channels"]) == (150, 150 * 99, 3)
    assert (data["dtype"], data["scale"], data["min"], data["max"]) == (
        "uint8", 255.0, [0, 0, 0], [255, 255, 255],
    )  # fmt: skip


def test_quantiles_and_clipping():
    found = stats(np.arange(100, dtype=np.uint8).reshape(1, 10, 10), scale=99.0)
    assert found.quantiles[0.5] == (49 / 99,)
    assert found.clipped_low == (0.01,)
    assert found.clipped_high == (0.01,)


def test_batch_average_leaves_a_skipped_file_out_of_its_batch(tmp_path):
    values = [10, 20, None, 40, 50]
    for number, value in enumerate(values):
        path = tmp_path / f"{number}.png"
        if value is None:
            path.write_bytes(b"no image")
        else:
            Image.new("L", (2, 2), value).save(path)
    found = stats(tmp_path, batch_size=2)
    assert found.batch_mean.value == ((15 + 40 + 50) / 3 / 255,)
    assert found.batch_std.value[0] == pytest.approx((25 / 3) ** 0.5 / 255)
    assert [(s.path.name, s.reason) for s in found.skipped] == [
        ("2.png", "not an image in a known format")
    ]


def test_grey_among_colour_counts_as_colour(tmp_path):
    colour = RNG.integers(0, 256, (3, 6, 6), dtype=np.uint8)
    grey = RNG.integers(0, 256, (1, 6, 6), dtype=np.uint8)
    found = stats([colour, grey, grey], batch_size=2)
    widened = np.broadcast_to(grey, (3, 6, 6))
    expected = stats([colour, widened, widened], batch_size=2)
    assert found.grey_images == 2
    assert "2 grey images count as colour with three equal channels." in found.notes
    assert {**everything(found), "grey_images": 0} == everything(expected)


def _message(error) -> str:
    return str(error.value)


def test_other_mixtures_need_to_be_told():
    colour = RNG.integers(0, 256, (3, 6, 6), dtype=np.uint8)
    deep = (RNG.integers(0, 256, (1, 6, 6)) * 257).astype(np.uint16)
    with pytest.raises(NormscopeError) as error:
        stats([colour, deep, deep])
    assert _message(error) == (
        "the images of list must be of one kind, got 1 colour uint8, 2 grey uint16. "
        "Pass channels='rgb' or channels='grey', or take some of them with select."
    )
    found = stats([colour, deep, deep], channels="rgb", batch_size=2)
    eight = np.broadcast_to((deep // 257).astype(np.uint8), (3, 6, 6))
    expected = stats([colour, eight, eight], batch_size=2)
    assert found.dtype == "uint16"
    assert found.mean.value == pytest.approx(expected.mean.value)
    assert found.batch_std.value == pytest.approx(expected.batch_std.value)
    assert found.mean_image_std.value == pytest.approx(expected.mean_image_std.value)
    grey = stats([colour, deep], channels="grey")
    luma = np.asarray(Image.fromarray(colour.transpose(1, 2, 0)).convert("L"))
    assert grey.mean.value[0] == pytest.approx((luma.mean() + (deep / 257).mean()) / 2 / 255)
    floats = np.zeros((1, 6, 6), np.float32)
    with pytest.raises(NormscopeError) as error:
        stats([colour, floats], channels="rgb")
    assert _message(error) == (
        "the pixels of list must be of one type, or of 8 and 16 bits, got float32, uint8. "
        "Sort the images by type."
    )
    many = stats([np.zeros((7, 6, 6), np.uint8), colour], channels="rgb")
    assert [s.reason for s in many.skipped] == ["7 channels cannot be seen as rgb"]
    assert stats([colour[:1]], channels="rgb").channels == 3
    half = colour.astype(np.float32) / 255
    assert stats([half], channels="grey").mean.value[0] == pytest.approx(
        luma.mean() / 255, abs=2e-3
    )


def test_resize_and_crop_are_torchvisions():
    from torchvision.transforms.v2 import functional

    image = RNG.integers(0, 256, (3, 40, 61), dtype=np.uint8)
    expected = functional.center_crop(
        functional.resize(torch.from_numpy(image), [20], antialias=True), [16]
    ).numpy()
    assert everything(stats([image], resize=20, crop=16)) == everything(stats([expected]))
    deep = stats([image.astype(np.uint16) * 257], resize=20, crop=16)
    assert deep.mean.value == pytest.approx(stats([expected]).mean.value, abs=1e-3)
    floats = stats([image / np.float32(255)], resize=20)
    assert floats.mean.value == pytest.approx(stats([image], resize=20).mean.value, abs=1e-3)


def test_an_array_is_resized_in_pieces_that_fit_the_memory(monkeypatch):
    images = RNG.integers(0, 256, (7, 1, 8, 10), dtype=np.uint8)
    whole = everything(stats(images, resize=32))
    monkeypatch.setattr(reading, "RESIZED_BYTES", 3 * 32 * 40)
    assert reading.Reading(resize=32).images_at_once(images) == 3
    assert everything(stats(images, resize=32)) == whole


def test_a_resized_pixel_counts_only_where_all_it_mixes_counts():
    image = np.full((1, 32, 32), 100, np.uint8)
    image[:, :, :8] = 0
    found = stats([image], nodata=0, resize=16)
    assert found.minimum == found.maximum == (100,)
    assert 0 < found.counted[0] < 16 * 12 + 1


def test_16_bits_say_whether_they_fill_their_range():
    dark = np.full((1, 2, 2), 235, np.uint16)
    dark[0, 0, 0] = 3
    assert stats(dark).notes[1] == (
        "The 16-bit pixels reach only 235 of 65535: divided by 65535 the images are almost black. "
        "Pass scale with what your model divides by, such as 255, all of 8 bits."
    )
    assert stats(dark, scale=235).notes[1] == (
        "The 16-bit pixels reach 235 of 65535; scale=235 divides them."
    )
    full = np.array([[[0, 65_535]]], np.uint16)
    assert stats(full).notes[1] == "The 16-bit pixels fill their range: they reach 65535 of 65535."


def test_floats_outside_the_unit_need_a_scale():
    pixels = np.array([[[-2.0, 5.0]]], np.float32)
    with pytest.raises(NormscopeError) as error:
        stats(pixels)
    assert _message(error) == (
        "float pixels must lie in [0, 1] unless scale is given, got -2 to 5 in array. "
        "Pass scale=1 to keep them as they are, or their maximum."
    )
    assert stats(pixels, scale=1).mean.value == (1.5,)


def test_infinite_pixels_cost_only_their_image():
    pixels = np.full((3, 1, 2, 2), 0.25, np.float32)
    pixels[1, 0, 0, 0] = np.inf
    found = stats(pixels)
    assert found.images == 2
    assert [(str(s.path), s.reason) for s in found.skipped] == [
        ("image 1", "pixels that are infinite or too large to square")
    ]


def test_a_constant_channel():
    pixels = np.zeros((2, 3, 4, 4), np.uint8)
    pixels[:, 0, 0] = 9
    pixels[:, 2, 0] = 9
    found = stats(pixels)
    with pytest.raises(NormscopeError) as error:
        found.normalization  # noqa: B018
    assert _message(error) == (
        "std must be > 0 in every channel, got (0.0152828, 0, 0.0152828): channel 1 is constant. "
        "Drop the channel or give its std yourself."
    )


def test_an_alpha_channel_excludes_pixels(tmp_path):
    rgba = np.full((4, 4, 4), 255, np.uint8)
    rgba[0] = (7, 7, 7, 0)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    found = stats(tmp_path)
    assert found.counted == (12, 12, 12)
    assert found.minimum == (255, 255, 255)
    assert found.pixels == 16


@pytest.mark.parametrize("dtype", [np.uint64, np.int64, np.uint32])
def test_grey_of_wide_whole_numbers_is_exact(dtype):
    pixels = RNG.integers(0, np.iinfo(dtype).max, (2, 3, 4, 5), dtype, endpoint=True)
    pixels[0, :, 0, 0] = np.iinfo(dtype).max
    found = stats(pixels, channels="grey", scale=1.0)
    weights = (19_595, 38_470, 7_471)
    expected = [
        (sum(int(v) * w for v, w in zip(colour, weights, strict=True)) + 2**15) >> 16
        for colour in pixels.transpose(0, 2, 3, 1).reshape(-1, 3)
    ]
    assert found.mean.value[0] == float(Fraction(sum(expected), len(expected)))


@pytest.mark.parametrize("nodata", [math.inf, -math.inf, -9999.0])
@pytest.mark.parametrize("channels", [None, "rgb", "grey"])
def test_any_number_can_mark_what_does_not_count(nodata, channels):
    pixels = np.full((1, 3, 4, 4), 0.5, np.float32)
    pixels[0, :, 1, 1] = nodata
    found = stats(pixels, nodata=nodata, channels=channels)
    assert found.mean.value == pytest.approx((0.5,) * found.channels)
    assert not found.skipped


def test_nodata_and_nan_exclude_per_channel():
    pixels = np.array([[[[0.5, np.nan]], [[0.25, 0.75]]]], np.float64)
    found = stats(pixels, nodata=0.75)
    assert found.counted == (1, 1)
    assert found.mean.value == (0.5, 0.25)


def test_tiff_of_many_bands(tmp_path):
    bands = RNG.normal(1000, 100, (10, 8, 9)).astype(np.float32)
    tifffile.imwrite(
        tmp_path / "a.tif",
        bands.transpose(1, 2, 0),
        photometric="minisblack",
        planarconfig="contig",
        extrasamples=[0] * 9,
        compression="lzw",
    )
    found = stats(tmp_path, scale=1)
    assert found.channels == 10
    np.testing.assert_allclose(found.mean.value, bands.mean(axis=(1, 2), dtype=np.float64))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"scale": 0},
            "scale must be from 1e-100 to 1e+100, got 0. Give what brings pixels to [0, 1].",
        ),
        (
            {"scale": 1e-320},
            "scale must be from 1e-100 to 1e+100, got 1e-320. Give what brings pixels to [0, 1].",
        ),
        ({"workers": 0}, "workers must be from 1 to 1024, got 0. Leave it out for one per core."),
        ({"resize": 2**70}, f"resize must be from 1 to 14142, got {2**70}. Give a whole number."),
        ({"batch_size": 0}, f"batch_size must be from 1 to {2**62}, got 0. Give a whole number."),
        (
            {"batch_size": 2**70},
            f"batch_size must be from 1 to {2**62}, got {2**70}. Give a whole number.",
        ),
        ({"channels": "bgr"}, "channels must be rgb or grey, got 'bgr'. Choose one of these."),
        (
            {"split": "dev"},
            "split must be one of train, val, test, all, got 'dev'. Choose one of these.",
        ),
        (
            {"explain": "imagnet"},
            "normalization must be one of imagenet, none, half, clip, mnist or MEAN/STD, "
            "got 'imagnet'. Did you mean 'imagenet'?",
        ),
    ],
)
def test_wrong_options(options, sentence):
    with pytest.raises(NormscopeError) as error:
        stats("digits", **options)
    assert _message(error) == sentence


def test_nothing_readable(tmp_path):
    with pytest.raises(NormscopeError) as error:
        stats(tmp_path)
    assert _message(error) == (
        f"{tmp_path} must hold at least one readable image, got none. Check the source."
    )
    (tmp_path / "a.jpg").write_bytes(b"")
    with pytest.raises(NormscopeError) as error:
        stats(tmp_path)
    assert _message(error) == (
        f"{tmp_path} must hold at least one readable image, got 1 that cannot be read, the first "
        f"{tmp_path}/a.jpg: an empty file. Check the source."
    )


def test_strict(tmp_path):
    Image.new("L", (2, 2), 9).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"x")
    with pytest.raises(WorkFailed) as error:
        stats(tmp_path, strict=True)
    assert _message(error) == (
        f"every image of {tmp_path} must be readable under strict, got 1 that are not, such as "
        f"{tmp_path}/b.png: not an image in a known format. Mend or remove them."
    )


def test_progress_reaches_the_whole(folder, archive):
    for source in (folder, archive, "digits"):
        seen = []
        stats(source, on_progress=lambda images, share, seen=seen: seen.append((images, share)))
        assert seen[-1][1] == pytest.approx(1)
        assert sorted(seen) == seen


def test_notes_on_samples_and_whole_splits():
    assert stats(np.zeros((1, 2, 2), np.uint8)).notes == (
        "1 x 2 x 2 values are read as NHW; layout changes it.",
        "One image says nothing of how images differ, so there are no standard errors.",
    )
    assert stats(np.zeros((2, 2, 2), np.uint8)).notes == (
        "2 x 2 x 2 values are read as NHW; layout changes it.",
        "The standard errors treat these 2 images as a sample of more; if they are the whole "
        "collection, its mean and std are exact.",
    )
    for split, images, whole in ((None, 1438, "split"), ("all", 1797, "collection")):
        assert stats("digits", split=split).notes == (
            f"These {images} images are the whole {whole}, whose mean and std are exact; the "
            "standard errors hold where they stand for more images like them.",
        )


def test_mnist(real_data):
    found = stats("mnist", root=real_data, batch_size=256, explain="mnist")
    assert found.images == 60_000
    assert round(found.mean.value[0], 12) == 0.130660476274
    assert round(found.std.value[0], 12) == 0.308107803856
    assert round(found.mean_image_std.value[0], 6) == 0.301312
    assert round(found.batch_mean.value[0], 4) == 0.1306
    assert round(found.batch_std.value[0], 4) == 0.3079
    assert "the std is best explained by the pixel std" in found.explanations[0].sentence
    idx = stats(real_data / "MNIST" / "raw" / "train-images-idx3-ubyte.gz", batch_size=256)
    assert idx.mean == found.mean


def test_imagenet_sample(real_data):
    found = stats(real_data / "imagenet-sample", split="val", explain="imagenet")
    assert (found.images, found.pixels, found.grey_images) == (1000, 201_729_205, 23)
    np.testing.assert_allclose(
        found.mean.value, (0.48700305, 0.46015423, 0.41471116), rtol=0, atol=5e-8
    )
    np.testing.assert_allclose(
        found.std.value, (0.2771595, 0.27153715, 0.28559073), rtol=0, atol=5e-8
    )
    assert "explained by the mean image std" in found.explanations[0].sentence


def test_other_real_images(real_data):
    dark = stats(real_data / "other" / "uint16-fluorescence.tif")
    assert dark.maximum == (235,)
    assert dark.notes[0].startswith("The 16-bit pixels reach only 235 of 65535")
    bands = stats(real_data / "other" / "multispectral-10band-float32.tif", scale=1)
    assert bands.channels == 10
    assert min(bands.minimum) < -1500


def test_floats_at_the_ends_of_their_range():
    tiny = np.array([0.1, 0.9]).reshape(1, 1, 1, 2) * 1e-300
    assert stats(tiny).std.value == (0.0,)
    large = np.array([1e71, 0.5]).reshape(2, 1, 1, 1)
    assert [s.reason for s in stats(large).skipped] == [
        "pixels that are infinite or too large to square"
    ]


def test_a_thin_image_that_resizing_would_blow_up_is_skipped():
    thin = np.zeros((1, 1, 1, 30_000), np.uint8)
    with pytest.raises(NormscopeError, match="30000 x 1 pixels is too large after resize=100"):
        stats(thin, resize=100)


def test_a_split_of_what_has_none():
    with pytest.raises(NormscopeError) as error:
        stats(np.eye(4, dtype=np.uint8), split="test")
    assert _message(error) == (
        "the array must hold splits for split='test', got one collection without names. "
        "Leave out split, or pass all."
    )


@pytest.mark.parametrize(
    ("shape", "channels"),
    [
        ((2, 3, 20, 24), 3), ((2, 20, 24, 3), 3), ((2, 3, 20, 4), 3), ((2, 10, 20, 24), 10),
        ((2, 20, 24, 10), 10), ((2, 20, 10, 10), 20),
    ],
)  # fmt: skip
def test_which_axis_of_an_array_is_the_channel(shape, channels):
    array = RNG.integers(0, 256, shape, dtype=np.uint8)
    assert stats(array, workers=1).channels == channels
