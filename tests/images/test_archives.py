"""Zip archives and packed tar archives: the same bits as the files in them, and nothing worse."""

from __future__ import annotations

import io
import random
import shutil
import stat
import subprocess
import tarfile
import zipfile
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from normscope import stats
from normscope.errors import NormscopeError
from normscope.images.opening import open_source
from normscope.images.originals import find_originals
from normscope.images.transform import ImageTransform
from normscope.statistics.local import reduce_locally

PACKINGS = {"tar.gz": "w:gz", "tgz": "w:gz", "tar.bz2": "w:bz2", "tar.xz": "w:xz"}
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


def _png(pixels) -> bytes:
    data = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(data, "PNG")
    return data.getvalue()


def _images(count=40, size=(9, 7, 3), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *size), np.uint8)


def _zip(path, members, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def _tar(path, members, mode):
    with tarfile.open(path, mode) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def _make(path, members):
    name = path.name
    if name.endswith(".zip"):
        return _zip(path, members)
    return _tar(path, members, PACKINGS[name.partition(".")[2]])


ARCHIVES = ["a.zip", *(f"a.{suffix}" for suffix in PACKINGS)]


def _check(found, pixels):
    assert (found.images, found.pixels) == (len(pixels), pixels[..., 0].size)
    np.testing.assert_array_equal(
        found.histogram,
        [np.bincount(channel.ravel(), minlength=256) for channel in np.moveaxis(pixels, -1, 0)],
    )
    np.testing.assert_allclose(found.mean.value, pixels.mean((0, 1, 2)) / 255, rtol=1e-15)
    np.testing.assert_allclose(found.std.value, pixels.std((0, 1, 2)) / 255, rtol=1e-14)


@pytest.mark.parametrize("name", ARCHIVES)
def test_the_same_bits_as_the_images(tmp_path, name):
    pixels = _images()
    members = {f"deep/{k:02}.png": _png(image) for k, image in enumerate(pixels)}
    path = _make(tmp_path / name, members | {"deep/labels.txt": b"1", "inner.zip": b"PK\3\4"})
    found = stats(path, workers=2)
    _check(found, pixels)
    assert any(
        note == "Passed over 2 files that are not images: .txt (1), .zip (1)."
        for note in found.notes
    )
    _check(stats(tmp_path), pixels)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_of_zip(tmp_path, method):
    pixels = _images(5)
    members = {f"{k}.png": _png(image) for k, image in enumerate(pixels)}
    members["nameless"] = members.pop("4.png")
    _check(stats(_zip(tmp_path / "a.zip", members, method)), pixels)


@pytest.mark.skipif(shutil.which("zip") is None, reason="the program zip is not installed")
def test_an_archive_of_the_program_zip(tmp_path):
    pixels = _images(3)
    for k, image in enumerate(pixels):
        (tmp_path / f"{k}.png").write_bytes(_png(image))
    subprocess.run(["zip", "-q", "a.zip", "0.png", "1.png", "2.png"], cwd=tmp_path, check=True)
    _check(stats(tmp_path / "a.zip"), pixels)


def test_an_archive_behind_a_program_and_one_written_to_a_pipe(tmp_path):
    pixels = _images(3)
    members = {f"{k}.png": _png(image) for k, image in enumerate(pixels)}
    whole = _zip(tmp_path / "a.zip", members).read_bytes()
    (tmp_path / "b.zip").write_bytes(b"#!/bin/sh\nexit\n" + whole)
    _check(stats(tmp_path / "b.zip"), pixels)

    class Pipe(io.RawIOBase):
        # What cannot seek gets sizes and checksums behind the data alone.
        def __init__(self):
            self.data = bytearray()

        def writable(self):
            return True

        def write(self, data):
            self.data += data
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    (tmp_path / "c.zip").write_bytes(pipe.data)
    _check(stats(tmp_path / "c.zip"), pixels)


@pytest.mark.parametrize("name", ARCHIVES)
def test_splits(tmp_path, name):
    pixels = _images(4)
    members = {f"cifar/{split}/x/{k}.png": _png(pixels[k])
               for k, split in enumerate(["test", "train", "train", "val"])}  # fmt: skip
    path = _make(tmp_path / name, members)
    _check(stats(path), pixels[1:3])
    _check(stats(path, split="all"), pixels)
    _check(stats(path, split="val"), pixels[3:])
    members = {"a/1.png": _png(pixels[0])}
    path = _make(tmp_path / f"b{name}", members)
    with pytest.raises(NormscopeError) as error:
        stats(path, split="test")
    assert str(error.value) == (
        f"{path} must hold test/ for split='test', got no such folder in it. "
        "Choose a split that is there, or all."
    )


@pytest.mark.parametrize("name", ARCHIVES)
def test_names_lead_nowhere(tmp_path, name):
    pixels = _images(4)
    names = ["../../up.png", "/absolute.png", "a\x1b[31mred.png", "new\nline.png"]
    inside = tmp_path / "inside"
    inside.mkdir()
    path = _make(inside / name, dict(zip(names, map(_png, pixels), strict=True)))
    _check(stats(path), pixels)
    assert [p.name for p in tmp_path.rglob("*")] == ["inside", name]


def test_encrypted_members_and_links_are_skipped_with_a_reason(tmp_path):
    path = tmp_path / "a.zip"
    pixels = _images(1)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("fine.png", _png(pixels[0]))
        archive.writestr("secret.png", _png(pixels[0]))
        link = zipfile.ZipInfo("link.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "fine.png")
    data = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = data.index(b"secret.png", data.index(signature)) if signature == b"PK\3\4" else (
            data.rindex(b"secret.png"))  # fmt: skip
        data[data.rindex(signature, 0, at) + flags] |= 1
    path.write_bytes(data)
    found = stats(path)
    _check(found, pixels)
    assert [(str(s.path), s.reason) for s in found.skipped] == [
        (f"{path}/secret.png", "encrypted inside its archive"),
        (f"{path}/link.png", "a link inside an archive"),
    ]


def test_links_in_a_packed_tar(tmp_path):
    (tmp_path / "a.png").write_bytes(_png(_images(1)[0]))
    (tmp_path / "b.png").symlink_to("a.png")
    with tarfile.open(tmp_path / "l.tgz", "w:gz") as tar:
        tar.add(tmp_path / "a.png", "a.png")
        tar.add(tmp_path / "b.png", "b.png")
    found = stats(tmp_path / "l.tgz")
    assert [(s.path.name, s.reason) for s in found.skipped] == [
        ("b.png", "a link inside an archive")
    ]


def test_a_link_to_an_archive_is_followed(tmp_path):
    pixels = _images(2)
    members = {f"{k}.png": _png(image) for k, image in enumerate(pixels)}
    _zip(tmp_path / "real.bin", members)
    (tmp_path / "link.zip").symlink_to("real.bin")
    _check(stats(tmp_path / "link.zip"), pixels)


def test_a_member_that_claims_too_much_or_too_little(tmp_path):
    data = _png(_images(1, (64, 64, 3))[0])
    for claim, reason in (
        (2**30 + 1, "a member of 1073741825 bytes is too large"),
        (100, "a damaged member of the archive: Bad CRC-32 for file 'member'"),
    ):
        path = _zip(tmp_path / "a.zip", {"a.png": data, "b.png": _png(_images(1)[0])})
        raw = bytearray(path.read_bytes())
        at = raw.index(b"PK\1\2")
        raw[at + 24 : at + 28] = claim.to_bytes(4, "little")
        path.write_bytes(raw)
        found = stats(path)
        assert found.images == 1
        assert [s.reason for s in found.skipped] == [reason]


def test_members_that_share_bytes_are_a_bomb(tmp_path):
    path = _zip(tmp_path / "a.zip", {"a.png": _png(_images(1)[0]), "b.png": _png(_images(1)[0])})
    raw = bytearray(path.read_bytes())
    second = raw.rindex(b"PK\1\2")
    raw[second + 42 : second + 46] = (10).to_bytes(4, "little")
    path.write_bytes(raw)
    with pytest.raises(NormscopeError) as error:
        stats(path)
    assert str(error.value) == (
        f"{path} must hold each member's bytes once, got b.png within a.png. "
        "Make the archive again."
    )


def test_a_packed_tar_that_is_a_bomb(tmp_path, monkeypatch):
    monkeypatch.setattr("normscope.images.packed_tar.FREE_BYTES", 2**20)
    path = _tar(tmp_path / "a.tar.bz2", {"zeros.bin": bytes(2**23)}, "w:bz2")
    with pytest.raises(NormscopeError) as error:
        stats(path)
    assert str(error.value) == (
        f"{path} must unpack to at most 1100 times its size, got more from its first "
        f"{path.stat().st_size} bytes, as of a bomb. Unpack it yourself."
    )


def test_an_image_too_large_to_hold(tmp_path, monkeypatch):
    monkeypatch.setattr("normscope.images.packed_tar.MAX_HELD_BYTES", 2**10)
    small, large = _images(1), _images(1, (99, 99, 3))
    path = _tar(tmp_path / "a.tgz", {"l.png": _png(large[0]), "s.png": _png(small[0])}, "w:gz")
    found = stats(path)
    _check(found, small)
    assert [s.reason for s in found.skipped] == [
        f"a packed file of {len(_png(large[0]))} bytes is too large"
    ]


def test_no_more_is_held_than_a_few_shards(tmp_path, monkeypatch):
    monkeypatch.setattr("normscope.images.encoded_shards.HELD_BYTES", 2**10)
    pixels = _images(200)
    members = {f"{k:03}.png": _png(image) for k, image in enumerate(pixels)}
    path = _tar(tmp_path / "a.tgz", members, "w:gz")
    held = []

    def watched(shards, reading, workers):
        def seen():
            for shard in shards:
                held.append(sum(map(len, shard.held)))
                yield shard

        return reduce_locally(seen(), reading, workers)

    monkeypatch.setattr("normscope.statistics.stats.reduce_locally", watched)
    _check(stats(path), pixels)
    assert len(held) > 20
    assert max(held) < 2 * 2**10


@pytest.mark.parametrize("suffix", PACKINGS)
def test_packed_tars_that_are_cut(tmp_path, suffix):
    whole = _tar(tmp_path / f"w.{suffix}", {"a.png": _png(_images(1)[0])}, PACKINGS[suffix])
    path = tmp_path / f"cut.{suffix}"
    path.write_bytes(whole.read_bytes()[:-20])
    with pytest.raises(NormscopeError) as error:
        stats(path)
    assert str(error.value) == (
        f"{path} must be whole, got an archive that is cut in the middle of its packed bytes. "
        "Copy it again."
    )


def test_other_formats_under_these_suffixes(tmp_path):
    path = tmp_path / "a.zip"
    for data in (b"", b"no archive", _png(_images(1)[0])):
        path.write_bytes(data)
        with pytest.raises(NormscopeError) as error:
            stats(path)
        assert str(error.value) == (
            f"{path} must be a whole zip archive, got: File is not a zip file. "
            "Copy it again, or make the archive again."
        )
    packed = tmp_path / "a.tar.gz"
    packed.write_bytes(b"no archive")
    with pytest.raises(NormscopeError) as error:
        stats(packed)
    assert str(error.value) == (
        f"{packed} must be a tar archive packed by gzip, bzip2 or xz, got: a file of another "
        "kind. Unpack it, or make the archive again."
    )
    pixels = _images(2)
    members = {f"{k}.png": _png(image) for k, image in enumerate(pixels)}
    _check(stats(_tar(packed, members, "w:xz")), pixels)


@pytest.mark.parametrize("name", ["a.zip", "a.tgz", "a.tar.bz2", "a.tar.xz", "a.tar"])
def test_damaged_archives_end_in_a_sentence(tmp_path, name):
    members = {f"{k}.png": _png(image) for k, image in enumerate(_images(3))}
    path = tmp_path / name
    whole = (_tar(path, members, "w") if name == "a.tar" else _make(path, members)).read_bytes()
    chance = random.Random(0)
    for _ in range(100):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        path.write_bytes(data[: chance.choice([len(data), chance.randrange(len(data))])])
        with suppress(NormscopeError):
            stats(path, workers=1)


@pytest.mark.parametrize("at", ["inside", "beside"])
def test_trainings_and_audits_read_zips(tmp_path, class_folders, at):
    names = sorted(p.relative_to(class_folders) for p in class_folders.rglob("*.png"))
    folder = tmp_path / "zips"
    folder.mkdir()
    if at == "inside":
        members = {f"photos/{name}": (class_folders / name).read_bytes() for name in names}
        path = _zip(folder / "photos.zip", members)
    else:
        path = folder
        for split in ("train", "val"):
            members = {str(name.relative_to(split)): (class_folders / name).read_bytes()
                       for name in names if name.parts[0] == split}  # fmt: skip
            _zip(folder / f"{split}.zip", members)
    expected, found = open_source(str(class_folders)), open_source(str(path))
    np.testing.assert_array_equal(found.train.pixels, expected.train.pixels)
    np.testing.assert_array_equal(found.test.labels, expected.test.labels)
    transform = ImageTransform(resize=8, crop=8)
    resized = open_source(str(path), transform=transform)
    assert resized.test.pixels.shape == (8, 3, 8, 8)
    originals = find_originals(path)
    assert (len(originals.images), originals.classes) == (8, ("cats", "dogs"))


def test_trainings_pass_packed_tars_over(tmp_path, class_folders):
    _tar(class_folders / "train" / "cats" / "more.tgz", {"a.png": _png(_images(1)[0])}, "w:gz")
    source = open_source(str(class_folders))
    assert source.passed_over == "Passed over 1 file that is not an image: .tgz (1)."


def test_an_interrupted_run_goes_on(tmp_path):
    pixels = _images(60)
    members = {f"{k:02}.png": _png(image) for k, image in enumerate(pixels)}
    for name in ("a.zip", "a.tgz"):
        path, out = _make(tmp_path / name, members), tmp_path / f"{name}.out"
        first = stats(path, out=out, workers=2)
        shards = sorted((out / "shards").iterdir())
        assert len(shards) == 2
        shards[0].unlink()
        assert stats(path, out=out, workers=1).to_json() == first.to_json()
