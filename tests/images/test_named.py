from __future__ import annotations

import gzip
import hashlib
import pickle
import socket

import numpy as np
import pytest
from torchvision import datasets

from normscope.errors import NormscopeError, WorkFailed
from normscope.images import named
from normscope.images.named import open_named


def idx_bytes(array: np.ndarray) -> bytes:
    shape = np.array(array.shape, ">u4").tobytes()
    return b"\0\0\x08" + bytes([array.ndim]) + shape + array.astype(np.uint8).tobytes()


@pytest.fixture
def small_mnist(tmp_path):
    """Three training and two test images in MNIST's files, the training ones gzipped."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for key, array in {
        "train-images": np.arange(3 * 16).reshape(3, 4, 4),
        "train-labels": np.array([0, 1, 2]),
        "test-images": np.zeros((2, 4, 4)),
        "test-labels": np.array([2, 0]),
    }.items():
        name, content = named.IDX_FILES[key], idx_bytes(array)
        if key.startswith("train"):
            (raw / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (raw / name).write_bytes(content)
    return tmp_path


@pytest.fixture(autouse=True)
def nothing_elsewhere(tmp_path, monkeypatch):
    monkeypatch.delenv("NORMSCOPE_DATA", raising=False)
    monkeypatch.setenv("NORMSCOPE_CACHE", str(tmp_path / "cache"))


def test_mnist_from_idx_files_plain_and_gzipped(small_mnist):
    source = open_named("mnist", small_mnist)
    assert source.train.pixels.shape == (3, 1, 4, 4)
    assert source.train.pixels[2, 0, 3, 3] == 47
    assert source.test.labels.tolist() == [2, 0]
    assert (source.classes, source.scale) == (("0", "1", "2"), 255.0)


def test_found_where_the_environment_says(small_mnist, monkeypatch, tmp_path):
    monkeypatch.setenv("NORMSCOPE_DATA", str(small_mnist))
    assert len(open_named("mnist", tmp_path / "nowhere").train) == 3


def test_a_missing_file(small_mnist):
    (small_mnist / "MNIST" / "raw" / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(NormscopeError) as error:
        open_named("mnist", small_mnist)
    assert str(error.value) == (
        f"mnist must have its four IDX files under {small_mnist}, got no t10k-labels-idx1-ubyte. "
        "Fetch the missing file."
    )


def test_labels_that_do_not_fit_the_images(small_mnist):
    path = small_mnist / "MNIST" / "raw" / "t10k-labels-idx1-ubyte"
    path.write_bytes(idx_bytes(np.array([1, 2, 0])))
    with pytest.raises(NormscopeError) as error:
        open_named("mnist", small_mnist)
    assert str(error.value) == (
        "mnist must have one label for each test image, got images of shape (2, 4, 4) and labels "
        "of shape (3,). Fetch the files again."
    )


def test_nowhere_and_not_to_be_downloaded(monkeypatch):
    def refused(*_args, **_options):
        raise OSError("no route to host")

    monkeypatch.setattr(datasets, "FashionMNIST", refused)
    with pytest.raises(WorkFailed) as error:
        open_named("fashion-mnist", None)
    assert str(error.value) == (
        "fashion-mnist must lie under --root or $NORMSCOPE_DATA, or be downloadable; it is in "
        "neither, and the download failed: no route to host. Fetch it by hand and pass --root."
    )


def test_a_silent_server_is_not_waited_for(monkeypatch, silent):
    monkeypatch.setattr(datasets.MNIST, "mirrors", [f"{silent.url}/"])
    with pytest.raises(WorkFailed) as error:
        open_named("mnist", None)
    assert "the download failed: " in str(error.value)
    assert "timed out" in str(error.value)
    assert socket.getdefaulttimeout() is None


def test_all_that_a_failed_download_says_is_said(monkeypatch):
    def refused(*_args, **_options):
        raise RuntimeError(
            "Error downloading t.gz:\nTried https://a/, got:\n<urlopen error [Errno -2]>\n"
        )

    monkeypatch.setattr(datasets, "FashionMNIST", refused)
    with pytest.raises(WorkFailed) as error:
        open_named("fashion-mnist", None)
    assert str(error.value) == (
        "fashion-mnist must lie under --root or $NORMSCOPE_DATA, or be downloadable; it is in "
        "neither, and the download failed: Error downloading t.gz: Tried https://a/, got: "
        "<urlopen error [Errno -2]>. Fetch it by hand and pass --root."
    )


def test_downloaded_into_the_cache(monkeypatch, tmp_path, small_mnist):
    def download(folder, **_options):
        (small_mnist / "MNIST").rename(folder / "MNIST")

    (tmp_path / "cache" / "data").mkdir(parents=True)
    monkeypatch.setattr(datasets, "MNIST", download)
    assert len(open_named("mnist", None).train) == 3


@pytest.fixture
def small_cifar(tmp_path, monkeypatch):
    """CIFAR-10's files with two images each, and checksums to match."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()

    def batch(seed: int) -> bytes:
        data = np.random.default_rng(seed).integers(0, 256, (2, 3072), np.uint8)
        return pickle.dumps({"data": data, "labels": [seed, 3]})

    def write(entries, contents):
        listed = []
        for (name, _), content in zip(entries, contents, strict=True):
            (folder / name).write_bytes(content)
            listed.append([name, hashlib.md5(content).hexdigest()])
        return listed

    train = write(datasets.CIFAR10.train_list, [batch(i) for i in range(5)])
    test = write(datasets.CIFAR10.test_list, [batch(7)])
    meta = pickle.dumps({"label_names": [f"class {i}" for i in range(10)]})
    (folder / "batches.meta").write_bytes(meta)
    monkeypatch.setattr(datasets.CIFAR10, "train_list", train)
    monkeypatch.setattr(datasets.CIFAR10, "test_list", test)
    monkeypatch.setattr(
        datasets.CIFAR10, "meta", {**datasets.CIFAR10.meta, "md5": hashlib.md5(meta).hexdigest()}
    )
    return tmp_path


def test_cifar_through_torchvision(small_cifar):
    source = open_named("cifar10", small_cifar)
    assert source.train.pixels.shape == (10, 3, 32, 32)
    assert source.test.labels.tolist() == [7, 3]
    assert source.classes[0] == "class 0"
    first = np.random.default_rng(0).integers(0, 256, (2, 3072), np.uint8)[0]
    np.testing.assert_array_equal(source.train.pixels[0], first.reshape(3, 32, 32))


def test_cifar_of_another_checksum_is_not_unpickled(small_cifar):
    path = small_cifar / "cifar-10-batches-py" / "test_batch"
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(NormscopeError) as error:
        open_named("cifar10", small_cifar)
    assert str(error.value) == (
        f"cifar10 under {small_cifar} must have the published checksums, got: Dataset not found "
        "or corrupted. You can use download=True to download it. Fetch it again."
    )


def test_real_mnist(real_data):
    source = open_named("mnist", real_data)
    assert source.train.pixels.shape == (60000, 1, 28, 28)
    assert np.bincount(source.test.labels).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip
