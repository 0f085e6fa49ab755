"""Values as stored, percentiles and clips, against NumPy on all pixels at once."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from normscope import stats
from normscope.cli.app import run
from normscope.errors import NormscopeError
from normscope.images.stream import open_stream
from normscope.statistics.clipping import Clip
from normscope.statistics.collected import Collected
from normscope.statistics.percentiles import PERCENTILES
from normscope.statistics.reading import Reading
from normscope.statistics.reduce import reduce_shard
from normscope.statistics.statistics_rows import sections_of

RNG = np.random.default_rng(5)

EXACT = {
    "uint8": RNG.integers(0, 256, (7, 3, 9, 11)),
    "int8": RNG.integers(-128, 128, (7, 1, 9, 11)),
    "uint16": RNG.integers(0, 65536, (7, 2, 9, 11)),
    "int16": RNG.integers(-1024, 3071, (7, 1, 9, 11)),
    "int32": RNG.integers(-1024, 3071, (7, 1, 9, 11)),
    "float64": RNG.integers(-1024, 3071, (7, 2, 9, 11)),
}
BOUNDED = {
    "float32": RNG.normal(-3, 40, (7, 2, 9, 11)),
    "float64": RNG.normal(0.3, 0.1, (7, 2, 9, 11)),
    "int32": RNG.integers(-(10**9), 10**9, (7, 1, 9, 11)),
    "uint64": RNG.integers(0, 2**62, (7, 1, 9, 11)),
}
CLIPS = ("0.5%:99.5%", "20:100", "-1e5:90%", "2%:1e5")


def ends(text: str, pixels: np.ndarray) -> list[float]:
    return [
        np.percentile(pixels, float(end[:-1])) if end.endswith("%") else float(end)
        for end in text.split(":")
    ]


@pytest.mark.parametrize("dtype", EXACT)
def test_whole_numbers_are_exact(dtype):
    pixels = EXACT[dtype].astype(dtype)
    found = stats(pixels, scale=100)
    assert found.to_json()["percentiles_between"] is None
    for c in range(pixels.shape[1]):
        own = pixels[:, c].astype(np.float64)
        for name in PERCENTILES:
            expected = np.percentile(own, float(name))
            assert found.percentiles[name].value[c] == pytest.approx(expected, rel=1e-12)
        assert found.stored_mean.value[c] == pytest.approx(own.mean(), rel=1e-12)
        assert found.stored_std.value[c] == pytest.approx(own.std(), rel=1e-12)
        assert found.stored_mean.se[c] == pytest.approx(100 * found.mean.se[c])


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("dtype", EXACT)
def test_a_clip_of_whole_numbers_is_exact(dtype, clip):
    pixels = EXACT[dtype].astype(dtype)
    found = stats(pixels, scale=100, clip=clip).clip
    assert found.exact
    for c in range(pixels.shape[1]):
        low, high = ends(clip, pixels[:, c].astype(np.float64))
        clipped = np.clip(pixels[:, c].astype(np.float64), low, high)
        assert (found.low[c], found.high[c]) == pytest.approx((low, high), rel=1e-12)
        assert found.stored_mean[c] == pytest.approx(clipped.mean(), rel=1e-12)
        assert found.stored_std[c] == pytest.approx(clipped.std(), rel=1e-12)
        assert found.mean[c] == pytest.approx(clipped.mean() / 100, rel=1e-12)


@pytest.mark.parametrize("dtype", BOUNDED)
def test_other_pixels_are_bounded_and_it_is_said(dtype):
    pixels = BOUNDED[dtype].astype(dtype)
    found = stats(pixels, scale=1, clip="2%:98%")
    said = found.to_json()
    assert "Quantiles are known to within 0.8 %: wide pixels share bins." in found.notes
    for c in range(pixels.shape[1]):
        own = pixels[:, c].astype(np.float64)
        for name in PERCENTILES:
            low, high = said["percentiles_between"][name][c]
            assert low <= np.percentile(own, float(name)) * (1 + 1e-15) <= high * (1 + 2e-15)
            assert high - low <= 0.0081 * max(abs(low), abs(high))
        clipped = np.clip(own, found.clip.low[c], found.clip.high[c])
        off = found.clip.within[c]
        assert 0 < off < 0.005 * np.abs(own).max()
        assert found.clip.stored_mean[c] == pytest.approx(clipped.mean(), abs=off)
        assert found.clip.stored_std[c] == pytest.approx(clipped.std(), abs=off)


def test_floats_that_are_whole_until_the_last_image_are_bounded():
    whole = RNG.integers(-100, 100, (3, 1, 5, 5)).astype(np.float64)
    mixed = np.concatenate([whole, whole[:1] + 0.25])
    assert stats(whole, scale=1).to_json()["percentiles_between"] is None
    assert stats(mixed, scale=1).to_json()["percentiles_between"] is not None
    beyond = whole + 40_000
    assert stats(beyond, scale=1).to_json()["percentiles_between"] is not None


def test_sums_of_whole_floats_survive_json_and_merge_in_any_order():
    parts = []
    for shard_of in (RNG.integers(-9, 9, (2, 2, 4, 4)).astype(float), np.full((1, 2, 3, 3), 0.5)):
        (shard,) = open_stream(shard_of, layout="NCHW").shards()
        parts.append(reduce_shard(shard, Reading()))
    again = Collected.from_json(json.loads(json.dumps(parts[0].to_json())))
    assert again.to_json() == parts[0].to_json()
    for first, second in (parts, parts[::-1]):
        both = Collected()
        both.merge(first)
        both.merge(second)
        (sums,) = both.kinds.values()
        assert sums.moments.whole is None


@pytest.mark.parametrize("text", ["", "5", "1:2:3", "a:b", "101%:3", "-1%:5", "nan:1", "inf:2"])
def test_another_grammar_is_refused(text):
    with pytest.raises(NormscopeError) as error:
        Clip.parse(text)
    assert str(error.value) == (
        "--clip must be LOW:HIGH, each a value as stored or a percentile from 0% to 100%, "
        f"or window, got '{text}'. Write it as -1000:400 or 0.5%:99.5%."
    )


def test_ends_that_cross_are_refused():
    with pytest.raises(NormscopeError) as error:
        Clip.parse("400:-1000")
    assert str(error.value) == (
        "--clip must have LOW below HIGH, got '400:-1000'. Write the smaller one first."
    )
    with pytest.raises(NormscopeError) as error:
        stats(np.arange(16, dtype=np.uint8).reshape(1, 4, 4), clip="50%:3")
    assert str(error.value) == (
        "clip must have LOW below HIGH in every channel, got 7.5 and 3 in channel 0 from "
        "'50%:3'. Move an end."
    )


def test_the_command_takes_negative_ends_and_shows_them(tmp_path, capsys):
    image = np.array([[0, 10], [20, 250]], np.uint8)
    Image.fromarray(image).save(tmp_path / "a.png")
    arguments = ["stats", str(tmp_path), "--clip", "-5:20"]
    assert run(arguments) == 0
    rows = [line.strip("│ ").split("│") for line in capsys.readouterr().out.splitlines()]
    shown = {row[0].strip(): row[1].strip() for row in rows if len(row) == 2}
    assert shown["mean (stored)"] == "70"
    assert shown["median"] == "15"
    assert shown["99.5 %"] == "246.55"
    assert shown["clip"] == "-5 to 20"
    assert shown["mean after clip (stored)"] == "12.5"
    assert shown["mean after clip"] == f"{12.5 / 255:.6f}"
    assert run([*arguments, "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["clip"] == {
        "clip": "-5:20",
        "mean": [12.5 / 255],
        "std": [pytest.approx(np.std([0, 10, 20, 20]) / 255)],
        "within": [0.0],
        "stored": {
            "low": [-5.0],
            "high": [20.0],
            "mean": [12.5],
            "std": [pytest.approx(np.std([0, 10, 20, 20]))],
            "within": [0.0],
        },
    }


def test_values_that_are_no_shares_are_shown_once(capsys, tmp_path):
    np.save(tmp_path / "hu.npy", RNG.normal(-500, 300, (4, 5, 5)))
    assert run(["stats", str(tmp_path / "hu.npy"), "--scale", "1"]) == 0
    out = capsys.readouterr().out
    assert "(stored)" not in out
    assert out.count("│ mean  ") == 1


def test_a_ct_has_its_unit_and_exact_percentiles(tmp_path, capsys):
    pydicom = pytest.importorskip("pydicom")
    header = pydicom.dcmread(pydicom.data.get_testdata_file("CT_small.dcm"))
    header.save_as(tmp_path / "a.dcm")
    units = header.pixel_array * header.RescaleSlope + header.RescaleIntercept
    found = stats(tmp_path, scale=1, clip="-160:240")
    assert (found.unit, found.dtype) == ("HU", "float64")
    assert found.percentiles["99.5"].value[0] == np.percentile(units, 99.5)
    assert found.clip.exact
    assert found.clip.mean[0] == pytest.approx(np.clip(units, -160, 240).mean(), rel=1e-14)
    assert run(["stats", str(tmp_path), "--scale", "1"]) == 0
    out = capsys.readouterr().out
    assert "mean (HU)" in out
    assert "│ at " not in out
    assert run(["stats", str(tmp_path), "--scale", "4095"]) == 0
    assert "std (HU)" in capsys.readouterr().out


def test_the_mean_of_image_means_weighs_images_alike(tmp_path, capsys):
    sizes = ((4, 4), (8, 16), (5, 7))
    images = [RNG.integers(0, 256, size, dtype=np.uint8) // (k + 1) for k, size in enumerate(sizes)]
    for number, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    found = stats(tmp_path)
    means = [image.mean() / 255 for image in images]
    assert found.sizes_differ
    assert found.mean_of_image_means.value[0] == pytest.approx(np.mean(means), rel=1e-14)
    assert found.mean_of_image_means.se[0] == pytest.approx(np.std(means, ddof=1) / 3**0.5)
    assert run(["stats", str(tmp_path), "--explain", f"{np.mean(means)}/0.2"]) == 0
    out = capsys.readouterr().out
    assert "mean of image means" in out
    assert "the mean is best explained by the mean of image means (to all the digits given" in out


def test_it_is_not_shown_for_images_of_one_size(capsys):
    found = stats("digits")
    assert not found.sizes_differ
    assert found.mean_of_image_means.value == pytest.approx(found.mean.value, rel=1e-14)
    assert run(["stats", "digits", "--explain", "mnist"]) == 0
    assert "mean of image means" not in capsys.readouterr().out


@pytest.mark.parametrize("size", [1e-17, 1e20])
def test_very_small_and_large_values_keep_their_digits(size):
    pixels = np.random.default_rng(0).random((3, 1, 8, 9)) * size
    used = sections_of(stats(pixels, scale=1))[0]
    (mean,), (std,) = used["mean"], used["pixel std"]
    assert float(mean.split(" ± ")[0]) == pytest.approx(pixels.mean(), rel=0.1)
    assert float(std.split(" ± ")[0]) == pytest.approx(pixels.std(), rel=0.1)
    assert max(len(mean), len(std)) < 25
