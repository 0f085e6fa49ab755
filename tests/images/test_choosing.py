"""--select and --bands: which files are images, and which of them together are one."""

import tarfile

import numpy as np
import pytest
import tifffile
from PIL import Image

from normscope import stats, train
from normscope.errors import NormscopeError, WorkFailed
from normscope.images.choosing import Choice
from normscope.images.folder import open_folder
from normscope.images.transform import ImageTransform
from normscope.studies.scan import scan
from normscope.studies.specification import ScanSpec

RNG = np.random.default_rng(0)


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def with_masks(tmp_path):
    colours = RNG.integers(0, 256, (4, 12, 12, 3), np.uint8)
    for number, pixels in enumerate(colours):
        save(tmp_path / "set" / "a" / f"{number}.png", pixels)
        save(tmp_path / "set" / "a" / f"{number}.seg.png", pixels[..., 0] // 200)
    return tmp_path / "set", colours


@pytest.mark.parametrize(
    ("select", "kept"),
    [
        ("png", ["a/x.png"]), (".PNG", ["a/x.png"]), ("seg.png", ["a/x.seg.png"]),
        ("*.png", ["a/x.png", "a/x.seg.png"]), ("a/*", ["a/x.png", "a/x.seg.png"]),
        ("a/x.png", ["a/x.png"]), ("b/*", ["c/b/y.jpg"]), ("?.jpg", ["c/b/y.jpg"]),
        ("*[!g].*", ["a/x.png", "a/x.seg.png", "c/b/y.jpg"]),
    ],
)  # fmt: skip
def test_what_is_selected(select, kept):
    paths = ["a/x.png", "a/x.seg.png", "c/b/y.jpg"]
    assert [path for path in paths if Choice(select).keeps(path)] == kept


def test_masks_are_said_and_left_out(with_masks):
    folder, colours = with_masks
    masks = (
        "Half of the images are named .seg.png, half .png: if they are masks, pass select='png'."
    )
    assert masks in stats(folder).notes
    found = stats(folder, select="png")
    assert masks not in found.notes
    assert found.images == 4
    assert found.mean.value == pytest.approx(colours.mean((0, 1, 2)) / 255, rel=1e-12)
    assert stats(folder, select="*.seg.*").channels == 1


def test_masks_in_a_folder_of_their_own(tmp_path):
    for number in range(3):
        save(tmp_path / "images" / f"{number}.png", RNG.integers(0, 256, (5, 6, 3), np.uint8))
        save(tmp_path / "masks" / f"{number}.png", RNG.integers(0, 2, (5, 6), np.uint8))
    masks = (
        "As many images are grey as in colour: if they are masks, leave them out with "
        "select, such as select='images/*'."
    )
    assert masks in stats(tmp_path).notes
    assert stats(tmp_path, select="images/*").images == 3
    (tmp_path / "masks" / "0.png").rename(tmp_path / "masks" / "5.png")
    assert masks not in stats(tmp_path).notes
    (tmp_path / "masks" / "5.png").unlink()
    # Of another depth they cannot be summed with the others.
    for number in range(3):
        save(tmp_path / "masks" / f"{number}.png", RNG.integers(0, 2, (5, 6), np.uint16))
    with pytest.raises(NormscopeError) as error:
        stats(tmp_path)
    assert str(error.value) == (
        f"the images of {tmp_path} must be of one kind, got 3 colour uint8, 3 grey uint16. Pass "
        "channels='rgb' or channels='grey', or take some of them with select."
    )


def test_keys_of_an_archive(with_masks, tmp_path):
    folder, colours = with_masks
    with tarfile.open(tmp_path / "set.tar", "w") as tar:
        tar.add(folder, "set")
    found = stats(tmp_path / "set.tar", select="png")
    assert found.mean.value == pytest.approx(colours.mean((0, 1, 2)) / 255, rel=1e-12)


def test_nothing_is_chosen(with_masks):
    folder, _ = with_masks
    with pytest.raises(NormscopeError) as error:
        stats(folder, select="jpg")
    assert str(error.value) == (
        f"{folder} must hold images that select='jpg' chooses, got none. Check it."
    )


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        ({"select": ""}, "--select must be a pattern or a key, got ''. Write it as '*_rgb.png' or "
                         "png."),
        ({"bands": "B2,,B3"}, "--bands must name each band once, with commas, got 'B2,,B3'. Write "
                              "it as B02,B03,B04."),
        ({"bands": "B2,B2"}, "--bands must name each band once, with commas, got 'B2,B2'. Write it "
                             "as B02,B03,B04."),
    ],
)  # fmt: skip
def test_choices_that_name_nothing(choice, sentence):
    with pytest.raises(NormscopeError) as error:
        Choice(**choice)
    assert str(error.value) == sentence


@pytest.mark.parametrize("source", ["digits", np.zeros((2, 1, 4, 4), np.uint8)])
def test_sources_without_files(source):
    with pytest.raises(NormscopeError) as error:
        stats(source, select="png")
    met = source if isinstance(source, str) else "ndarray"
    assert str(error.value) == (
        "select and bands must be used with folders, .tar archives and files of images, got "
        f"{met}. Leave them out."
    )
    with pytest.raises(NormscopeError) as error:
        train("digits", bands="a,b")
    assert str(error.value) == (
        "select and bands must be used with files of images, got digits. Leave them out."
    )


SCENES = {
    "sentinel": "S2A/GRANULE/T32_{scene}/IMG_DATA/T32TQM_2020010{scene}_{band}_10m.tif",
    "eurocrops": "{scene}/{band}.tif",
    "suffix": "patch{scene}_{band}.tif",
    "sensor": "{band}/patch{scene}.tif",
    "both": "{band}/patch{scene}-{band}.tif",
}


@pytest.mark.parametrize("pattern", SCENES.values(), ids=SCENES)
def test_bands_become_channels(tmp_path, pattern):
    scenes = RNG.integers(0, 2**16, (3, 4, 10, 11), np.uint16)
    bands = ["B08", "B8A", "B02", "B03"]
    for scene, pixels in enumerate(scenes):
        for band, plane in zip(bands, pixels, strict=True):
            path = tmp_path / "B08" / "data" / pattern.format(scene=scene, band=band)
            path.parent.mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(path, plane)
    # The folder itself has a band's name.
    found = stats(tmp_path / "B08", bands="B02,B8A,B08")
    chosen = scenes[:, [2, 1, 0]]
    assert (found.images, found.channel_names) == (3, ("B02", "B8A", "B08"))
    assert found.mean.value == pytest.approx(chosen.mean((0, 2, 3)) / 65535, rel=1e-12)
    assert found.std.value == pytest.approx(chosen.std((0, 2, 3)) / 65535, rel=1e-12)


def test_files_named_one_by_one_and_archives(tmp_path):
    planes = RNG.integers(0, 256, (2, 6, 7), np.uint8)
    paths = [tmp_path / f"x_{band}.png" for band in ("red", "nir")]
    for path, plane in zip(paths, planes, strict=True):
        save(path, plane)
    expected = pytest.approx(planes.mean((1, 2)) / 255, rel=1e-12)
    assert stats(paths, bands="red,nir").mean.value == expected
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        for path in reversed(paths):
            tar.add(path, path.name)
    found = stats(tmp_path / "x.tar", bands="red,nir", out=tmp_path / "out")
    assert found.mean.value == expected
    again = stats(tmp_path / "x.tar", bands="red,nir", out=tmp_path / "out")
    assert again.to_json() == found.to_json()


def test_scenes_that_do_not_fit_are_skipped(tmp_path):
    for scene, (width, dtype) in enumerate([(5, "u1"), (6, "u1"), (5, "u2")]):
        save(tmp_path / f"{scene}_a.png", np.zeros((4, 5), np.uint8))
        save(tmp_path / f"{scene}_b.png", np.zeros((4, width), dtype))
    save(tmp_path / "3_b.png", np.zeros((4, 5), np.uint8))
    found = stats(tmp_path, bands="a,b")
    assert found.images == 1
    assert [(s.path.name, s.reason) for s in found.skipped] == [
        ("1_a.png", "bands must have one size and type, got 5 x 4 uint8 of a and 6 x 4 uint8 of b"),
        ("2_a.png", "bands must have one size and type, got 5 x 4 uint8 of a and 5 x 4 uint16 of "
                    "b"),
        ("3_b.png", "no file of band a beside it"),
    ]  # fmt: skip
    with pytest.raises(WorkFailed):
        stats(tmp_path, bands="a,b", strict=True)


def test_nodata_of_a_band_counts_for_it_alone(tmp_path):
    planes = RNG.integers(0, 9, (2, 6, 7), np.uint8)
    for band, plane in zip("ab", planes, strict=True):
        tags = [(42113, "s", 0, "3", True)] if band == "a" else []
        tifffile.imwrite(tmp_path / f"x_{band}.tif", plane, extratags=tags)
    found = stats(tmp_path, bands="a,b")
    assert found.counted == ((planes[0] != 3).sum(), 42)


def test_trainings_choose_too_and_say_so(tmp_path):
    root = tmp_path / "scenes"
    for split in ("train", "test"):
        for label, name in enumerate(("forest", "lake")):
            for number in range(6):
                for band in ("B02", "B03"):
                    pixels = RNG.integers(0, 100, (12, 12), np.uint16) + np.uint16(300 * label)
                    save(root / split / name / f"{number}_{band}.png", pixels)
    said = {"bands": "B03,B02", "select": "*.png"}
    source = open_folder(root, ImageTransform(**said))
    assert source.train.shape == (12, 2, 12, 12)
    file = root / "train" / "lake" / "2_B03.png"
    np.testing.assert_array_equal(source.train.pixels[8, 0], np.asarray(Image.open(file)))
    scan(
        str(root), mean="0.1", std="0.1,0.2", epochs=1, seeds=1, scale=1000, workers=1,
        out=tmp_path / "study", **said,
    )  # fmt: skip
    specification = ScanSpec.read_toml(tmp_path / "study" / "study.toml")
    assert specification.trial.images == ImageTransform(scale=1000, **said)
    file.write_bytes((root / "train" / "forest" / "2_B03.png").read_bytes())
    changed = open_folder(root, ImageTransform(**said))
    assert changed.fingerprint() != source.fingerprint()
    with pytest.raises(NormscopeError) as error:
        train(str(root), select="*.tif")
    folder = root / "train" / "forest"
    assert str(error.value) == (
        f"{folder} must hold at least one image (such as .jpg or .png), got none. Check select "
        "and bands."
    )


@pytest.mark.parametrize(
    ("names", "note"),
    [
        (
            ["T32_1_B04.tif", "T32_1_B8A.tif", "T32_2_B04.tif", "T32_2_B8A.tif"],
            "The files look like bands of 2 scenes: bands='B04,B8A' puts them together.",
        ),
        (["s_vv.tif", "s_vh.tif"], "The files look like bands of 1 scene: bands='vh,vv' puts them"),
        (
            ["A01_s1_w1.tif", "A01_s1_w2.tif", "B01_s1_w1.tif", "B01_s1_w2.tif"],
            "The files look like bands of 2 scenes: bands='w1,w2' puts them together.",
        ),
        (["x_ch00.tif", "x_ch01.tif"], "The files look like bands of 1 scene: bands='ch00,ch01'"),
        (["T32_1_B04.tif", "T32_1_B8A.tif", "T32_2_B04.tif"], ""),
        (["T32_1_B04.tif", "T32_1_B8A.tif", "other.tif"], ""),
        (["red.tif", "rose.tif"], ""),
    ],
)
def test_files_that_look_like_bands_are_said(tmp_path, names, note):
    for name in names:
        tifffile.imwrite(tmp_path / name, np.arange(20, dtype=np.uint16).reshape(4, 5))
    said = [text for text in stats(tmp_path).notes if "look like bands" in text]
    assert len(said) == bool(note)
    assert note in " ".join(said)


def test_colour_photographs_are_no_bands(tmp_path):
    for name in ("red.tif", "green.tif"):
        tifffile.imwrite(tmp_path / name, np.arange(60, dtype=np.uint8).reshape(4, 5, 3))
    assert not any("look like bands" in text for text in stats(tmp_path).notes)
