"""What goes wrong is said with its own cause, and what is taken or left out is said at all."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from normscope import stats
from normscope.cli.app import run
from normscope.errors import NormscopeError
from tests.images.containers.made import encode, random_images
from tests.images.damaged import refusal

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 9, 8), dtype=np.uint8)


@pytest.fixture
def photos(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for number, pixels in enumerate(PIXELS):
        band = "B02" if number % 2 else "B03"
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{number // 2}_{band}.png")
    return "photos"


def test_a_clip_that_leaves_one_value(capsys):
    pixels = np.repeat(np.uint8([3, 100, 200]), [4, 91, 5]).reshape(1, 10, 10)
    found = stats(pixels, clip="10%:50%")
    assert (found.clip.stored_mean, found.clip.stored_std) == ((100,), (0,))
    sentence = (
        "--clip must leave two values or more in every channel, got one in channel 0: 10%:50% "
        "clips it to 100 to 100. Move an end."
    )
    with pytest.raises(NormscopeError) as error:
        _ = found.clip.normalization
    assert str(error.value) == sentence


def test_a_channel_that_was_constant_before_its_clip(capsys, tmp_path):
    np.save(tmp_path / "a.npy", np.full((2, 4, 4), 7, np.uint8))
    assert run(["stats", str(tmp_path / "a.npy"), "--clip", "2:9"]) == 0
    assert capsys.readouterr().err == (
        "normscope: std must be > 0 in every channel, got (0): channel 0 is constant. Drop the "
        "channel or give its std yourself.\n"
    )


@pytest.mark.parametrize("name", ["a.npy", "a.npz::x", "a.h5::x", "t10k-images-idx3-ubyte"])
@pytest.mark.parametrize("option", ["mask", "by"])
def test_arrays_have_no_names_for_masks_or_groups(photos, name, option):
    assert refusal(name, **{option: {"mask": photos, "by": "folder"}[option]}) == (
        f"{option} must have images with paths, got the array {name}. Give folders, files or "
        "archives of images."
    )


@pytest.mark.parametrize(
    ("choice", "option"),
    [
        ({"select": "*.tif"}, "select='*.tif'"),
        ({"bands": "red,nir"}, "bands='red,nir'"),
        ({"select": "*.tif", "bands": "B02,B03"}, "select='*.tif'"),
        ({"select": "*.png", "bands": "red,nir"}, "bands='red,nir'"),
    ],
)
def test_which_choice_takes_nothing(photos, choice, option):
    assert refusal(photos, **choice) == (
        f"photos must hold images that {option} chooses, got none. Check it."
    )


def test_a_band_that_select_leaves_out(photos):
    assert refusal(photos, bands="B02,B03", select="*_B02.png") == (
        "photos must hold at least one readable image, got 2 that cannot be read, the first "
        "photos/0_B02.png: no file of band B03 beside it that select='*_B02.png' takes. Check the "
        "source."
    )


def test_nodata_is_a_number():
    assert refusal(PIXELS, nodata=float("nan")) == (
        "nodata must be a number, got nan. Leave it out: NaN never counts."
    )


class _ByName:
    def __len__(self):
        return 2

    def __getitem__(self, key):
        return {"a": PIXELS}[key]


def test_what_is_no_sequence_of_images():
    kinds = (
        "source must be a name, a path, an array, a tensor, a Dataset or an iterable of images, "
        "got {}. Give one of these."
    )
    assert refusal({"a": 1}) == kinds.format("dict")
    assert refusal({"image": PIXELS}) == kinds.format("dict")
    assert refusal(5) == kinds.format("int")
    assert refusal(_ByName()) == (
        "source must give its first image by the index 0, got KeyError from _ByName. Give a "
        "Dataset, or an iterable of images."
    )


def test_masked_arrays_and_empty_paths(photos):
    masked = np.ma.masked_array(PIXELS, PIXELS > 9)
    assert refusal(masked) == (
        "the array must have no masked values, got a masked array. Fill them with NaN, or with a "
        "value that nodata names."
    )
    assert stats(np.ma.masked_array(PIXELS)).images == 4
    for choice in ({}, {"select": "*.png"}):
        assert refusal([photos, ""], **choice) == (
            "each source must name a file or folder, got an empty path. Write '.' for the current "
            "folder, or leave it out."
        )


def test_a_source_of_several_without_an_image(photos, tmp_path):
    for name in ("empty", "none"):
        (tmp_path / name).mkdir()
    np.save("a.npy", PIXELS)
    assert stats([photos, "empty"]).notes[0] == "empty holds no image."
    found = stats(["empty", photos, "a.npy", "none"])
    assert (found.images, found.notes[1]) == (8, "empty and none hold no image.")
    assert stats([photos, "empty"], select="*.png").notes[0] == "empty holds no image."
    assert not any("no image" in note for note in stats(photos).notes)


def test_which_column_of_a_table_is_taken(tmp_path):
    import pyarrow.parquet as pq

    images = [encode(image) for image in random_images(3)]
    columns = {"label": [0, 1, 0], "picture": images, "raw": [b"a", b"b", b"c"]}
    said = "Of the columns label, picture and raw picture is taken, which alone holds images."
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    assert stats(tmp_path / "a.parquet").notes[0] == said
    with pa.OSFile(str(tmp_path / "a.arrow"), "wb") as sink:
        table = pa.table(columns)
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    assert stats(tmp_path / "a.arrow").notes[0] == said
    assert not any("column" in note for note in stats(f"{tmp_path}/a.parquet::picture").notes)
    pq.write_table(pa.table({"picture": images}), tmp_path / "b.parquet")
    assert not any("column" in note for note in stats(tmp_path / "b.parquet").notes)


def test_one_of_a_thing(capsys, tmp_path):
    np.savez(tmp_path / "a.npz", **{"g/x": np.full((2, 3), 7, np.uint8)})
    Image.fromarray(PIXELS[0]).save(tmp_path / "0.png")
    Image.fromarray(np.stack([PIXELS[0]] * 3, -1)).save(tmp_path / "1.png")
    assert f"Of {tmp_path}/a.npz::g the array g/x (2 x 3, uint8) is taken." in (
        stats(f"{tmp_path}/a.npz::g").notes
    )
    assert stats([tmp_path / "0.png", tmp_path / "1.png"]).notes[0] == (
        "1 grey image counts as colour with three equal channels."
    )
    Image.fromarray(PIXELS[0, :1, :1]).save(tmp_path / "pixel.png")
    assert run(["stats", str(tmp_path / "pixel.png")]) == 0
    assert "pixel.png: 1 image, 1 pixel, uint8, divided by 255.\n" in capsys.readouterr().out


def test_a_folder_of_files_that_hold_many_images_says_how_to_name_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "volumes").mkdir()
    for name in "ab":
        np.savez(tmp_path / "volumes" / f"{name}.npz", PIXELS)
    advice = "Files of .npz may hold many images each: name them themselves, such as FOLDER/*.npz."
    with pytest.raises(NormscopeError) as error:
        stats("volumes")
    assert str(error.value) == (
        "volumes must hold at least one readable image, got none. "
        f"Passed over 2 files that are not images: .npz (2). {advice}"
    )
    Image.fromarray(PIXELS[0]).save(tmp_path / "volumes" / "c.png")
    assert advice in stats("volumes").notes
    assert stats(["volumes/a.npz", "volumes/b.npz"]).images == 8


def test_types_that_no_channels_reconcile_are_not_advised_to_be():
    with pytest.raises(NormscopeError) as error:
        stats([PIXELS[0], PIXELS[1] / np.float32(255)])
    assert str(error.value) == (
        "the images of list must be of one kind, got 1 grey float32, 1 grey uint8. "
        "Sort them by type, or take some of them with select."
    )
