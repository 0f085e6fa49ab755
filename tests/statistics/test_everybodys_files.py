"""Files as people have them: opened by content, or passed over and named."""

from __future__ import annotations

import io
import os
import tarfile
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from normscope import stats
from normscope.cli.app import run
from normscope.errors import NormscopeError
from normscope.images.folder import open_folder
from normscope.images.stream import open_stream

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)


def _saved(kind, **options):
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "kind", "options"),
    [
        ("a.ppm", "PPM", {}),
        ("a.jp2", "JPEG2000", {}),
        ("a.j2k", "JPEG2000", {"no_jp2": True}),
        ("a.tga", "TGA", {}),
        ("a.pcx", "PCX", {}),
        ("a", "PNG", {}),
        ("a.dat", "BMP", {}),
        ("b", "WEBP", {"lossless": True}),
        ("c.bin", "JPEG2000", {}),
        ("d.picture", "TIFF", {}),
        ("e", "PPM", {}),
    ],
)
def test_a_format_is_known_by_its_content(tmp_path, name, kind, options):
    (tmp_path / name).write_bytes(_saved(kind, **options))
    found = stats(tmp_path)
    assert found.images == 1
    np.testing.assert_allclose(found.mean.value, PIXELS.mean((0, 1)) / 255, rtol=1e-12)
    assert stats(tmp_path / name).mean.value == found.mean.value


@pytest.mark.parametrize(
    ("name", "kind"), [("a.avif", "AVIF"), ("a.jfif", "JPEG"), ("a.jpe", "JPEG")]
)
def test_a_lossy_format_is_what_its_own_library_decodes(tmp_path, name, kind):
    (tmp_path / name).write_bytes(_saved(kind))
    expected = np.asarray(Image.open(tmp_path / name).convert("RGB")).mean((0, 1)) / 255
    np.testing.assert_allclose(stats(tmp_path).mean.value, expected, rtol=1e-12)


def test_other_files_are_counted_and_named(tmp_path):
    (tmp_path / "a.png").write_bytes(_saved("PNG"))
    (tmp_path / "labels.csv").write_text("BMX,1")
    (tmp_path / "README").write_text("P5 is a format")
    (tmp_path / "b.csv").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(tmp_path / "pipe.png")
    found = stats(tmp_path)
    assert found.images == 1
    assert found.notes[0] == (
        "Passed over 4 files that are not images: .csv (2), README (1), pipe (1)."
    )
    assert [(skip.path.name, skip.reason) for skip in found.skipped] == [
        ("pipe.png", "not a regular file")
    ]


def test_members_of_an_archive_are_known_by_their_content(tmp_path):
    archive = tmp_path / "shard.tar"
    with tarfile.open(archive, "w") as tar:
        for name, data in (("1.img", _saved("PNG")), ("1.cls", b"7"), ("2.txt", b"")):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    found = stats(archive)
    assert found.images == 1
    assert found.notes[0] == "Passed over 2 files that are not images: .cls (1), .txt (1)."


def test_a_training_names_what_it_passes_over(class_folders):
    first = next((class_folders / "train").iterdir())
    (first / "notes.txt").write_text("none")
    source = open_folder(class_folders)
    assert source.passed_over == "Passed over 1 file that is not an image: .txt (1)."
    assert not source.skipped


def test_a_folder_of_arrays_is_read(tmp_path):
    arrays = [PIXELS, PIXELS[::2], np.stack([PIXELS, 255 - PIXELS])]
    for k, array in enumerate(arrays):
        np.save(tmp_path / f"{k}.npy", array)
    found = stats(tmp_path, batch_size=2)
    every = np.concatenate([a.reshape(-1, 3) for a in arrays])
    assert found.images == 4
    np.testing.assert_allclose(found.mean.value, every.mean(0) / 255, rtol=1e-12)
    np.testing.assert_allclose(found.std.value, every.std(0) / 255, rtol=1e-12)
    batches = [
        np.concatenate([a.reshape(-1, 3) for a in part]) for part in (arrays[:2], arrays[2:])
    ]
    np.testing.assert_allclose(
        found.batch_mean.value, np.mean([b.mean(0) for b in batches], 0) / 255, rtol=1e-12
    )


def test_several_paths_of_several_kinds(tmp_path):
    np.save(tmp_path / "a.npy", np.stack([PIXELS] * 3))
    (tmp_path / "b.png").write_bytes(_saved("PNG"))
    np.savez(tmp_path / "c.npz", images=np.stack([PIXELS] * 2))
    paths = [tmp_path / name for name in ("a.npy", "b.png", "c.npz")]
    found = stats(paths)
    assert (found.images, found.name) == (6, f"{paths[0]} and 2 more")
    np.testing.assert_allclose(found.mean.value, PIXELS.mean((0, 1)) / 255, rtol=1e-12)
    starts = [(shard.start, shard.count) for shard in open_stream(paths).shards()]
    assert starts == [(0, 3), (3, 1), (4, 2)]
    with pytest.raises(NormscopeError, match="pixels of one range"):
        stats([str(tmp_path / "a.npy"), "digits"])


@pytest.mark.parametrize(
    ("shape", "taken", "layout", "channels"),
    [
        ((64, 48, 3), "HWC", None, 3),
        ((64, 48, 3), "HWC", "NHW", 1),
        ((3, 64, 48), "NHW", None, 1),
        ((3, 64, 48), "NHW", "CHW", 3),
        ((10, 3, 8, 3), "NCHW", "NHWC", 3),
    ],
)
def test_a_guessed_layout_is_said_and_can_be_given(shape, taken, layout, channels):
    array = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    found = stats(array, layout=layout)
    assert found.channels == channels
    assert any(f"are read as {taken}; layout" in note for note in found.notes) == (not layout)


def test_a_wrong_layout_is_refused(tmp_path, capsys):
    np.save(tmp_path / "a.npy", PIXELS)
    assert run(["stats", str(tmp_path / "a.npy"), "--layout", "NCHW"]) == 2
    assert "must have the 4 axes of --layout NCHW, got the shape (12, 10, 3)" in (
        capsys.readouterr().err
    )
    assert run(["stats", str(tmp_path / "a.npy"), "--layout", "WHC"]) == 2
    assert "--layout must be one of HW, NHW" in capsys.readouterr().err


@pytest.mark.parametrize(("alpha", "channels", "mean"), [(None, 1, 10), ("mask", 1, 10),
    ("drop", 1, 15), ("keep", 2, 15)])  # fmt: skip
def test_what_an_alpha_channel_means_can_be_said(tmp_path, alpha, channels, mean):
    image = np.array([[[10, 255], [20, 0]]], np.uint8)
    Image.fromarray(image).save(tmp_path / "a.png")
    found = stats(tmp_path, alpha=alpha)
    assert (found.channels, round(255 * found.mean.value[0], 9)) == (channels, mean)
    said = (
        "1 image with an alpha channel: fully transparent pixels do not count (alpha changes it)."
    )
    assert (said in found.notes) == (alpha is None)


def test_a_moving_picture_gives_its_first_frame_and_says_so(tmp_path):
    frames = [Image.fromarray(PIXELS), Image.fromarray(255 - PIXELS)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert "1 image with several frames: the first counts." in stats(tmp_path).notes


def test_what_was_noticed_is_kept_with_finished_shards(tmp_path):
    (tmp_path / "in").mkdir()
    Image.fromarray(np.dstack([PIXELS, PIXELS[..., :1]])).save(tmp_path / "in" / "a.png")
    once, again = (stats(tmp_path / "in", out=tmp_path / "out") for _ in range(2))
    assert once.notes == again.notes
    assert Counter("alpha" in note for note in again.notes)[True] == 1


def test_the_cases_with_known_values(real_data):
    cases = real_data / "cases"
    nir = stats(cases / "rgb-nir-alpha-tag.tif")
    np.testing.assert_allclose(
        nir.mean.value, [0.23535348, 0.23420841, 0.22903263, 0.21564798], atol=5e-9
    )
    np.testing.assert_allclose(
        nir.std.value, [0.24318121, 0.24283912, 0.23892035, 0.25956540], atol=5e-9
    )
    heights = stats(cases / "dem-nodata-tag.tif", scale=1)
    assert heights.counted == (2816,)
    np.testing.assert_allclose(
        [*heights.mean.value, *heights.std.value], [498.42507102, 174.09509364], atol=5e-9
    )
    for name, mean, std in (
        ("nbits2.tif", 0.49267578, 0.37543459),
        ("nbits4-white-is-zero.tif", 0.50302735, 0.30716550),
    ):
        found = stats(cases / name)
        np.testing.assert_allclose([*found.mean.value, *found.std.value], [mean, std], atol=5e-9)
    hwc = stats(cases / "one-image-hwc.npy")
    np.testing.assert_allclose(hwc.mean.value, [0.4935266, 0.50015191, 0.49544654], atol=5e-9)


def test_lines_to_paste(tmp_path, capsys):
    image = np.array([[[0, 0, 0], [102, 204, 255]]], np.uint8)
    Image.fromarray(image).save(tmp_path / "a.png")
    assert run(["stats", str(tmp_path), "--format", "monai"]) == 0
    said = capsys.readouterr().out
    assert (
        'monai: NormalizeIntensityd(keys="image", subtrahend=[51.0, 102.0, 127.5], '
        "divisor=[51.0, 102.0, 127.5], channel_wise=True)"
    ) in said
    assert "torchvision" not in said
    assert run(["stats", str(tmp_path), "--format", "keras"]) == 0
    assert "Normalization(mean=[0.2, 0.4, 0.5], variance=[0.04, 0.16, 0.25])" in (
        capsys.readouterr().out
    )
    assert run(["stats", str(tmp_path), "--format", "kera"]) == 2
    assert "Did you mean 'keras'?" in capsys.readouterr().err
