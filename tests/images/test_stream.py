from __future__ import annotations

import gzip
import io
import os
import struct
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from normscope.errors import NormscopeError
from normscope.images.encoded import EncodedImage
from normscope.images.pixels import TOO_LARGE
from normscope.images.shards import EncodedShard
from normscope.images.stream import open_stream
from normscope.statistics.stats import stats


def _png(path, value=9):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (2, 2), value).save(path)


def _paths(source, split=None):
    return [
        path for shard in open_stream(source, split).shards() for path in shard.names.split("\0")
    ]


@pytest.fixture
def splits(tmp_path):
    for number, split in enumerate(("train", "validation", "test")):
        for image in range(number + 1):
            _png(tmp_path / split / "cats" / f"{image}.png", 10 * number)
    return tmp_path


@pytest.fixture
def tar_of_splits(splits, tmp_path):
    path = tmp_path / "splits.tar"
    with tarfile.open(path, "w") as tar:
        for split in ("train", "validation", "test"):
            tar.add(splits / split, f"data/{split}")
    return path


@pytest.mark.parametrize(
    ("split", "images"), [(None, 1), ("train", 1), ("val", 2), ("test", 3), ("all", 6)]
)
def test_splits_of_folders_archives_and_npz(splits, tar_of_splits, tmp_path, split, images):
    folder = tmp_path / "only"
    folder.mkdir()
    for name in ("train", "validation", "test"):
        (splits / name).rename(folder / name)
    assert stats(folder, split=split).images == images
    assert stats(tar_of_splits, split=split).images == images
    pixels = np.zeros((3, 2, 2), np.uint8)
    np.savez(
        tmp_path / "a.npz", x_train=pixels[:1], val_images=pixels[:2], x_test=pixels, y=pixels[0]
    )
    assert stats(tmp_path / "a.npz", split=split).images == images


def test_a_split_that_is_not_there(tmp_path, tar_of_splits):
    folder = tmp_path / "flat"
    _png(folder / "a.png")
    (folder / "test").mkdir()
    cases = {
        folder: f"{folder} must hold val/ for split='val', got test. "
        "Choose a split that is there, or all.",
        "digits": "digits must have a split val, got train, test. Choose one of these, or all.",
    }
    with tarfile.open(tmp_path / "flat.tar", "w") as tar:
        tar.add(folder / "a.png", "a.png")
    cases[tmp_path / "flat.tar"] = (
        f"{tmp_path}/flat.tar must hold val/ for split='val', got no such folder in it. "
        "Choose a split that is there, or all."
    )
    np.savez(tmp_path / "a.npz", x_test=np.zeros((2, 3, 3), np.uint8))
    cases[tmp_path / "a.npz"] = (
        f"{tmp_path}/a.npz must hold an array of split='val', got x_test. "
        "Choose a split that is there, or all."
    )
    for source, sentence in cases.items():
        with pytest.raises(NormscopeError) as error:
            stats(source, split="val")
        assert str(error.value) == sentence


def test_files_come_in_the_order_of_their_names_whatever_made_them(tmp_path):
    for name in ("b/2.png", "a/9.png", "b/1.JPG", "c.webp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / ".hidden.png").write_bytes(b"")
    (tmp_path / "notes.txt").write_bytes(b"")
    assert _paths(tmp_path) == [
        f"{tmp_path}/{n}" for n in ("a/9.png", "b/1.JPG", "b/2.png", "c.webp")
    ]


def test_links_are_followed_and_loops_end(tmp_path):
    _png(tmp_path / "real" / "a.png")
    (tmp_path / "again").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "loop").symlink_to(tmp_path)
    (tmp_path / "dangling.png").symlink_to(tmp_path / "nowhere")
    found = stats(tmp_path)
    assert found.images >= 2
    assert [s.reason for s in found.skipped][:1] == ["No such file or directory"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_an_unreadable_folder(tmp_path):
    _png(tmp_path / "a" / "a.png")
    (tmp_path / "a").chmod(0)
    with pytest.raises(NormscopeError) as error:
        stats(tmp_path)
    (tmp_path / "a").chmod(0o700)
    assert str(error.value) == (
        f"{tmp_path}/a must be readable, got: Permission denied. Check its permissions."
    )


def test_an_unreadable_folder_even_for_root(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("normscope.images.tree.os.scandir", refuse)
    with pytest.raises(NormscopeError) as error:
        stats(tmp_path)
    assert str(error.value) == (
        f"{tmp_path} must be readable, got: Permission denied. Check its permissions."
    )


def test_webdataset_shards(tmp_path):
    for shard in range(3):
        with tarfile.open(tmp_path / f"s-{shard:03}.tar", "w") as tar:
            for sample in range(2):
                data = io.BytesIO()
                Image.new("L", (2, 2), 10 * shard + sample).save(data, "PNG")
                for suffix, body in (("png", data.getvalue()), ("cls", b"1")):
                    info = tarfile.TarInfo(f"{shard}{sample}.{suffix}")
                    info.size = len(body)
                    tar.addfile(info, io.BytesIO(body))
    expected = (10.5 / 255,)
    for source in (f"{tmp_path}/s-{{000..002}}.tar", f"{tmp_path}/s-*.tar", tmp_path):
        found = stats(source)
        assert (found.images, found.mean.value) == (6, expected)


@pytest.mark.parametrize("keep", [700, 1200, 2100])
def test_an_archive_cut_in_the_middle(tmp_path, keep):
    whole = tmp_path / "whole.tar"
    with tarfile.open(whole, "w") as tar:
        for name in "ab":
            info = tarfile.TarInfo(f"{name}.png")
            info.size = 600
            tar.addfile(info, io.BytesIO(bytes(600)))
    cut = tmp_path / "cut.tar"
    cut.write_bytes(whole.read_bytes()[:keep])
    with pytest.raises(NormscopeError) as error:
        stats(cut)
    where = {700: "a.png", 1200: "a header or an image", 2100: "b.png"}[keep]
    assert str(error.value) == (
        f"{cut} must be whole, got an archive that is cut in the middle of {where}. Copy it again."
    )


def test_links_inside_an_archive_are_skipped_with_a_reason(tmp_path):
    _png(tmp_path / "a.png")
    os.link(tmp_path / "a.png", tmp_path / "b.png")
    (tmp_path / "c.png").symlink_to("a.png")
    with tarfile.open(tmp_path / "links.tar", "w") as tar:
        for name in "abc":
            tar.add(tmp_path / f"{name}.png", f"{name}.png")
    found = stats(tmp_path / "links.tar")
    assert found.images == 1
    assert [(s.path.name, s.reason) for s in found.skipped] == [
        (f"{name}.png", "a link inside an archive") for name in "bc"
    ]


def test_no_archive(tmp_path):
    path = tmp_path / "a.tar"
    path.write_bytes(b"no tar at all" * 100)
    with pytest.raises(NormscopeError) as error:
        stats(path)
    assert str(error.value).startswith(f"{path} must be an uncompressed tar archive, got: ")


def test_unknown_sources(tmp_path):
    table, scan = tmp_path / "images.csv", tmp_path / "a.mha"
    table.write_text("path,label")
    scan.write_text("NDims = 3")
    known = "must be an image, an archive, an array or a table of a known format, got a file of"
    cases = {
        table: f"{table} {known} another. If it lists images, name them in its place; from Python, "
        "pass a list of their paths.",
        scan: f"{scan} {known} another. Convert it, such as to TIFF.",
        "mnits": "source must be one of digits, mnist, fashion-mnist, cifar10, cifar100 or a "
        "folder, an archive or a file of images, got 'mnits'. Did you mean 'mnist'?",
    }
    for source, sentence in cases.items():
        with pytest.raises(NormscopeError) as error:
            stats(source)
        assert str(error.value) == sentence
    with pytest.raises(NormscopeError) as error:
        stats([tmp_path / "none.png"])
    assert str(error.value) == (
        f"{tmp_path}/none.png must be a file or folder that exists, got nothing there. "
        "Check the path."
    )
    with pytest.raises(NormscopeError) as error:
        stats(3)
    assert str(error.value) == (
        "source must be a name, a path, an array, a tensor, a Dataset or an iterable of images, "
        "got int. Give one of these."
    )
    with pytest.raises(NormscopeError) as error:
        stats([object()])
    assert str(error.value) == (
        "an item of the source must be an image or start with one (Pillow image, array or "
        "tensor), got object. Give a source that yields images."
    )


def test_arrays_that_are_no_images():
    for array, sentence in (
        (np.zeros(3), "the array must have the shape (H, W), (N, H, W), (N, C, H, W) or "
         "(N, H, W, C) with no axis empty, got (3,). Reshape the array."),
        (np.zeros((0, 3, 3)), "the array must have the shape (H, W), (N, H, W), (N, C, H, W) or "
         "(N, H, W, C) with no axis empty, got (0, 3, 3). Reshape the array."),
        (np.array([["a"]]), "the array must hold integers or floats, got <U1. Convert the array."),
    ):  # fmt: skip
        with pytest.raises(NormscopeError) as error:
            stats(array)
        assert str(error.value) == sentence


@pytest.mark.parametrize("dtype", ["bool", ">u2", "float16", "longdouble"])
def test_unusual_types(dtype):
    array = np.array([[[0, 1], [1, 0]]]).astype(dtype)
    assert stats(array, scale=1).mean.value == (0.5,)


def test_an_archive_with_the_name_of_an_array(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.zeros((2, 3)), b=np.ones(4))
    array = (tmp_path / "a.npz").rename(tmp_path / "a.npy")
    with pytest.raises(NormscopeError) as error:
        stats(array)
    assert str(error.value) == (
        f"{array} must be a NumPy file of one array, got an archive of several. "
        "Give it a name that ends in .npz."
    )


def test_bad_numpy_files(tmp_path):
    npy, npz = tmp_path / "a.npy", tmp_path / "a.npz"
    np.save(npy, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(NormscopeError, match=r"must be a whole NumPy file of numbers, got: "):
        stats(npy)
    np.save(npy, np.zeros((9, 9, 9)))
    npy.write_bytes(npy.read_bytes()[:300])
    with pytest.raises(NormscopeError, match=r"Save the array again with numpy\.save\."):
        stats(npy)
    npy.write_bytes(b"")
    with pytest.raises(NormscopeError, match=r"must be a whole NumPy file of numbers, got: "):
        stats(npy)
    np.savez(npz, a=np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(NormscopeError) as error:
        stats(npz)
    assert str(error.value) == (
        f"{npz} must hold an array of images, of integers or floats with rows and columns, got "
        "a (1, object). Save the pixels."
    )
    np.savez(npz, labels=np.zeros(3))
    with pytest.raises(NormscopeError) as error:
        stats(npz)
    assert str(error.value) == (
        f"{npz} must hold an array of images, of integers or floats with rows and columns, got "
        "labels (3, float64). Save the pixels."
    )
    npz.write_bytes(b"PK\3\4 nothing")
    with pytest.raises(NormscopeError, match="must be a whole NumPy archive of numbers"):
        stats(npz)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_npz_that_claims_more_than_it_holds(tmp_path, method):
    header = io.BytesIO()
    shape = (2**20, 2**10, 2**2)
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": shape}
    )
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("a.npy", header.getvalue() + bytes(100))
        archive.writestr("readme.txt", "not an array")
    with pytest.raises(NormscopeError) as error:
        stats(path)
    if method == zipfile.ZIP_STORED:
        assert str(error.value) == (
            f"{path} must be a whole NumPy archive of numbers, got: a.npy is shorter than its "
            "header says. Check it, or make it again."
        )
    else:
        assert str(error.value) == (
            f"{path}::a must be compressed from at most 2147483648 bytes, got 4294967296. "
            "Save it uncompressed, so that it can be mapped."
        )


def test_fortran_order_and_empty_arrays_in_npz(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 4, 5), dtype=np.uint8)
    np.savez(tmp_path / "f.npz", np.asfortranarray(pixels))
    np.savez_compressed(tmp_path / "c.npz", np.asfortranarray(pixels))
    expected = stats(pixels).to_json()
    for name in "fc":
        assert stats(tmp_path / f"{name}.npz").mean.value == tuple(expected["mean"])
    np.savez(tmp_path / "e.npz", np.zeros((0, 4, 5), np.uint8))
    with pytest.raises(NormscopeError, match=r"got arr_0 \(0 x 4 x 5, uint8\)"):
        stats(tmp_path / "e.npz")


def test_idx(tmp_path):
    pixels = np.arange(2 * 3 * 4, dtype=np.uint8)
    data = bytes([0, 0, 8, 3]) + struct.pack(">III", 2, 3, 4) + pixels.tobytes()
    (tmp_path / "images.idx").write_bytes(data)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(data))
    for path in tmp_path.iterdir():
        assert stats(path).mean.value == (11.5 / 255,)


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    path = tmp_path / "a.png"
    with path.open("wb") as file:
        file.truncate(2**31 + 1)
    _png(tmp_path / "b.png")
    assert [s.reason for s in stats(tmp_path).skipped] == [
        "a file of 2147483649 bytes is too large"
    ]


def test_items_that_cannot_be_read_keep_their_place():
    too_large = Image.new("L", (1, 1))
    too_large._size = (100_000, 100_000)
    pixels = np.full((2, 2), 50, np.uint8)
    found = stats([pixels, too_large, pixels, pixels[None, :1]], batch_size=2)
    assert found.images == 3
    assert [(str(s.path), s.reason) for s in found.skipped] == [
        ("image 1", f"100000 x 100000 {TOO_LARGE}")
    ]


def test_identity_follows_the_files(tmp_path):
    _png(tmp_path / "a.png")
    shard = EncodedShard.of(0, [EncodedImage(str(tmp_path / "a.png"))], 1)
    before = shard.identity()
    assert before == shard.identity()
    os.utime(tmp_path / "a.png", (1, 1))
    assert shard.identity() != before
    (tmp_path / "a.png").unlink()
    assert shard.identity() not in {None, before}


def test_archives_below_a_split_folder_belong_to_it_whole(tmp_path):
    (tmp_path / "train").mkdir()
    _png(tmp_path / "one" / "a.png")
    with tarfile.open(tmp_path / "train" / "shard-0.tar", "w") as tar:
        tar.add(tmp_path / "one" / "a.png", "a.png")
    assert _paths(tmp_path, "train") == ["a.png"]


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (
            "shard-{0..999999999}.tar",
            "shard-{0..999999999}.tar must name at most 100,000 files, got {0..999999999}. Give a "
            "smaller range.",
        ),
        ("http://[::1/x.zip", "http://[ must be an address, got: Invalid IPv6 URL. Check it."),
        (
            "photos/nope.png",
            "source must be a name, a folder, an archive or a file of images that exists, got "
            "photos/nope.png: nothing is there. Check the path.",
        ),
        (["digits", "digits"], "each source must be given once, got digits twice. Leave one out."),
    ],
)
def test_sources_that_cannot_be_meant(source, sentence):
    with pytest.raises(NormscopeError) as error:
        stats(source)
    assert str(error.value) == sentence


def test_a_link_to_itself_costs_itself_alone(tmp_path):
    Image.new("RGB", (4, 4), (9, 9, 9)).save(tmp_path / "a.png")
    (tmp_path / "self.png").symlink_to("self.png")
    found = stats(tmp_path)
    assert found.images == 1
    assert [skipped.path.name for skipped in found.skipped] == ["self.png"]


def test_pictures_of_own_results_are_no_images(tmp_path):
    Image.new("L", (4, 4), 9).save(tmp_path / "a.png")
    first = stats(tmp_path, out=tmp_path)
    (tmp_path / "figures").mkdir()
    Image.new("L", (400, 400), 200).save(tmp_path / "figures" / "b.png")
    assert stats(tmp_path).mean == first.mean
    (tmp_path / "stats.json").unlink()
    assert stats(tmp_path).images == 2
