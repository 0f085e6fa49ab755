import io
import multiprocessing
import os
import pickle
import signal
import time
import zlib

import numpy as np
import pytest
import torch
from filelock import FileLock
from PIL import Image
from torchvision.io import decode_image as decode_by_torchvision
from torchvision.transforms.v2 import functional

from normscope.errors import NormscopeError
from normscope.images import block_sums, cache, packing
from normscope.images.folder import open_folder
from normscope.images.splits import with_train_images, with_validation
from normscope.images.transform import ImageTransform
from normscope.trials.fast.stack import _SplitBytes
from normscope.trials.pixels import ResidentImages

PRESET = ImageTransform(resize=20, crop=16)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("NORMSCOPE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "decoded"


@pytest.fixture
def photos(tmp_path):
    """JPEGs of several sizes: val/ alone, two classes."""
    rng = np.random.default_rng(0)
    root = tmp_path / "photos"
    for label, name in enumerate(("cats", "dogs")):
        (root / "val" / name).mkdir(parents=True)
        for number in range(4):
            shape = (24 + 5 * number, 31 - number, 3)
            pixels = rng.integers(0, 100, shape, np.uint8) + np.uint8(100 * label)
            Image.fromarray(pixels).save(root / "val" / name / f"{number}.jpg")
    return root


@pytest.mark.filterwarnings("ignore:The image decoding:DeprecationWarning")
def test_the_preset_is_torchvisions(photos):
    source = open_folder(photos, PRESET, train=False)
    assert source.test.pixels.shape == (8, 3, 16, 16)
    image = decode_by_torchvision(str(photos / "val" / "cats" / "2.jpg"))
    expected = functional.center_crop(functional.resize(image, [20], antialias=True), [16])
    np.testing.assert_array_equal(source.test.pixels[2], expected.numpy())


def test_other_pixels_of_the_same_files_are_decoded_anew(photos, folder, monkeypatch):
    open_folder(photos, PRESET, train=False)
    monkeypatch.setattr(cache, "PIXELS", cache.PIXELS + 1)
    open_folder(photos, PRESET, train=False)
    assert len(list(folder.glob("*.images"))) == 2


def test_the_second_time_nothing_is_decoded(photos, monkeypatch):
    first = open_folder(photos, PRESET, train=False)
    monkeypatch.setattr(packing, "frames_of", None)
    again = open_folder(photos, PRESET, train=False)
    np.testing.assert_array_equal(again.test.pixels, first.test.pixels)
    np.testing.assert_array_equal(again.test.labels, [0] * 4 + [1] * 4)
    assert again.fingerprint() == first.fingerprint()
    in_memory = again.test.take(np.arange(8))
    assert in_memory.digest() == again.test.digest()
    counts = [np.bincount(c.ravel(), minlength=256) for c in first.test.pixels.swapaxes(0, 1)]
    np.testing.assert_array_equal(again.test.stored.histogram, counts)


@pytest.mark.parametrize("change", ["content", "name", "transform"])
def test_what_changes_is_decoded_again(photos, folder, change):
    open_folder(photos, PRESET, train=False)
    path = photos / "val" / "cats" / "0.jpg"
    transform = PRESET
    if change == "content":
        os.utime(path, (1, 1))
    elif change == "name":
        path.rename(path.with_name("9.jpg"))
    else:
        transform = ImageTransform(resize=18, crop=16)
    open_folder(photos, transform, train=False)
    assert len(list(folder.glob("*.images"))) == 2


def test_a_worker_maps_the_same_file(photos):
    images = open_folder(photos, PRESET, train=False).test
    sent = pickle.dumps(images)
    assert len(sent) < images.pixels.nbytes + 4000
    received = pickle.loads(sent)
    assert isinstance(received.pixels, np.memmap)
    np.testing.assert_array_equal(received.pixels, images.pixels)


def test_a_split_is_rows_of_the_mapped_file_also_in_a_worker(class_folders, spec):
    split = with_validation(open_folder(class_folders))
    trained = with_train_images(split, 10).train
    received = pickle.loads(pickle.dumps(trained))
    for images in (trained, received):
        assert isinstance(images.held, np.memmap)
        assert (len(images.held), len(images)) == (16, 10)
    np.testing.assert_array_equal(received.pixels, trained.pixels)
    # Neither trainer takes a copy of what is mapped.
    for resident in (
        ResidentImages(received, 255.0, spec),
        _SplitBytes(received, torch.device("cpu")),
    ):
        assert resident._pixels.data_ptr() == received.held.ctypes.data
    pixels, labels = _SplitBytes(received, torch.device("cpu")).batch(torch.tensor([7, 2]))
    np.testing.assert_array_equal(pixels, trained.pixels[[7, 2]])
    assert labels.tolist() == trained.labels[[7, 2]].tolist()


def test_a_source_that_is_sent_elsewhere_needs_no_file(class_folders, folder):
    split = with_validation(open_folder(class_folders))
    sent = pickle.dumps(split.in_memory())
    cache.clear_cache()
    received = pickle.loads(sent)
    assert received.fingerprint() == split.fingerprint()
    np.testing.assert_array_equal(received.validation.pixels, split.validation.pixels)


def _build(root, lines):
    torch.set_num_threads(1)
    source = open_folder(root, PRESET, train=False)
    lines.put((source.fingerprint(), len(source.test)))


@pytest.mark.thorough
def test_two_processes_at_once_leave_one_file(photos, folder):
    context = multiprocessing.get_context("spawn")
    lines = context.Queue()
    workers = [context.Process(target=_build, args=(photos, lines)) for _ in range(2)]
    for worker in workers:
        worker.start()
    first, second = lines.get(timeout=120), lines.get(timeout=120)
    for worker in workers:
        worker.join()
    assert first == second
    assert len([p for p in folder.iterdir() if p.suffix == ".images"]) == 1


def _build_slowly(root):
    decode = packing.frames_of

    def slow(data, transform):
        time.sleep(0.5)
        return decode(data, transform)

    packing.frames_of = slow
    open_folder(root, PRESET, train=False)


def test_a_killed_build_leaves_nothing_that_is_trusted(photos, folder):
    worker = multiprocessing.get_context("spawn").Process(target=_build_slowly, args=(photos,))
    worker.start()
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline and not list(folder.glob(".*.images.*")):
        time.sleep(0.05)
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    assert [p.name[0] for p in folder.glob("*.images*")] == ["."]
    assert [entry.source for entry in cache.cached()] == ["(unfinished)"]
    assert len(open_folder(photos, PRESET, train=False).test) == 8
    assert [p.name[0] != "." for p in folder.glob("*.images*")] == [True]


def _zero_a_quarter(data):
    data[len(data) // 4 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 4)


def _flip(place):
    def flip(data):
        data[place] ^= 4

    return flip


def _swap_blocks(data):
    size = 2**10
    data[:size], data[size : 2 * size] = data[size : 2 * size], data[:size]


def _grow(data):
    data[:0] = bytes(8)


@pytest.mark.parametrize(
    "damage",
    [
        _zero_a_quarter, _swap_blocks, _grow, bytearray.clear, lambda data: data.__delitem__(-3),
        *map(_flip, (0, 999, 5000, 6143, 6144, -300, -40, -35, -30, -25, -1)),
    ],
)  # fmt: skip
def test_a_file_that_was_damaged_is_decoded_anew(photos, folder, monkeypatch, damage):
    monkeypatch.setattr(block_sums, "BLOCK_BYTES", 2**10)
    whole = open_folder(photos, PRESET, train=False)
    expected = np.array(whole.test.pixels)
    (path,) = folder.glob("*.images")
    kept = path.read_bytes()
    data = bytearray(kept)
    damage(data)
    path.write_bytes(data)
    with pytest.warns(RuntimeWarning) as met:
        again = open_folder(photos, PRESET, train=False)
    assert [str(warning.message) for warning in met] == [
        f"the decoded images of {photos} must be whole to be used, got damage in {path}; decoding "
        "them anew. Check the disk if it happens again."
    ]
    np.testing.assert_array_equal(again.test.pixels, expected)
    assert again.test.labels.tolist() == whole.test.labels.tolist()
    assert path.read_bytes() == kept


@pytest.mark.parametrize("sizes", [[], [1], [1023, 1, 1], [1024], [5000, 0, 3, 1021], [10] * 500])
def test_sums_of_blocks_are_those_of_zlib(monkeypatch, sizes):
    monkeypatch.setattr(block_sums, "BLOCK_BYTES", 2**10)
    data = np.random.default_rng(0).integers(0, 256, sum(sizes), np.uint8).tobytes()
    file = io.BytesIO(b"an older file's bytes")
    writer = block_sums.SummedWriter(file)
    for start, size in zip(np.cumsum([0, *sizes]), sizes, strict=False):
        writer.write(data[start : start + size])
    assert file.getvalue() == data
    assert writer.tell() == len(data)
    assert writer.sums == [
        zlib.crc32(data[start : start + 1024]) for start in range(0, len(data), 1024)
    ]
    assert block_sums.undamaged(np.frombuffer(data, np.uint8), writer.sums)


def test_the_least_recently_used_is_evicted(photos, folder, monkeypatch):
    open_folder(photos, PRESET, train=False)
    (first,) = folder.glob("*.images")
    open_folder(photos, ImageTransform(resize=19, crop=16), train=False)
    (second,) = set(folder.glob("*.images")) - {first}
    os.utime(second, (1, 1))
    limit = 2.5 * first.stat().st_size / 1e9
    monkeypatch.setenv("NORMSCOPE_CACHE_GB", repr(limit))
    open_folder(photos, ImageTransform(resize=18, crop=16), train=False)
    left = set(folder.glob("*.images"))
    assert first in left
    assert second not in left
    assert len(left) == 2


@pytest.mark.parametrize("text", ["much", "-1", "nan"])
def test_a_limit_that_is_no_number(photos, monkeypatch, text):
    monkeypatch.setenv("NORMSCOPE_CACHE_GB", text)
    with pytest.raises(NormscopeError) as met:
        open_folder(photos, PRESET, train=False)
    assert str(met.value) == (
        f"NORMSCOPE_CACHE_GB must be a number of gigabytes of at least 0, got '{text}'. "
        "Unset it for 50."
    )


def test_a_cache_that_cannot_be_written(photos, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("NORMSCOPE_CACHE", str(tmp_path / "file"))
    with pytest.warns(RuntimeWarning, match="must be writable to keep decoded images, got: "):
        source = open_folder(photos, PRESET, train=False)
    assert len(source.test) == 8
    assert source.test.stored.file is None
    assert not isinstance(pickle.loads(pickle.dumps(source.test)).pixels, np.memmap)


def test_a_cache_that_may_only_be_read_is_still_read(photos, folder, monkeypatch):
    open_folder(photos, PRESET, train=False)

    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(cache.os, "utime", refuse)
    monkeypatch.setattr(packing, "frames_of", None)
    assert isinstance(open_folder(photos, PRESET, train=False).test.pixels, np.memmap)


def test_a_file_that_vanishes_while_others_are_evicted(photos, folder, monkeypatch):
    folder.mkdir(parents=True)
    (folder / "gone.images").symlink_to(folder / "nowhere")
    assert isinstance(open_folder(photos, PRESET, train=False).test.pixels, np.memmap)


def test_leftovers_of_killed_decodes_are_removed_and_running_ones_spared(photos, folder):
    folder.mkdir(parents=True)
    left, running = folder / ".a.images.1.images", folder / ".b.images.2.images"
    left.write_bytes(b"1"), running.write_bytes(b"22")
    with FileLock(folder / "b.lock"):
        open_folder(photos, PRESET, train=False)
        assert not left.exists()
        left.write_bytes(b"1")
        cache.clear_cache()
        assert sorted(folder.glob(".*.images")) == [running]
        assert not list(folder.glob("[!.]*.images"))
    assert cache.clear_cache() == 2


def test_listing_and_clearing(photos):
    assert cache.cached() == []
    assert cache.clear_cache() == 0
    open_folder(photos, PRESET, train=False)
    (entry,) = cache.cached()
    assert entry.source == str(photos)
    assert cache.clear_cache() == entry.bytes_
    assert cache.cached() == []
