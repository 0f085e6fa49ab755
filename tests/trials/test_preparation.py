from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
import torch

import normscope
from normscope.errors import NormscopeError, UnknownName, WorkFailed
from normscope.images.decoded import check_all_read
from normscope.images.transform import ImageTransform
from normscope.machine.device import resolve_device
from normscope.quiet import without_warnings
from normscope.trials.preparation import prepare_source
from normscope.trials.recipe import LENET, LENET_ARTICLE


def test_data_is_the_statistics_of_training_and_validation_images():
    from sklearn.datasets import load_digits

    prepared = prepare_source("digits", None, LENET, None)
    split = prepared.source
    pixels = np.concatenate([split.train.pixels, split.validation.pixels]) / 16
    assert prepared.data.mean[0] == pytest.approx(pixels.mean(), rel=1e-12)
    assert prepared.data.std[0] == pytest.approx(pixels.std(), rel=1e-12)
    assert len(pixels) + len(split.test) == len(load_digits().images)


def test_a_subset_changes_neither_the_statistics_nor_the_fingerprint():
    whole = prepare_source("digits", None, LENET, None)
    few = prepare_source("digits", None, LENET, 100)
    assert (few.data, few.fingerprint) == (whole.data, whole.fingerprint)
    assert len(few.source.train) == 100
    assert len(few.source.validation) == len(whole.source.validation)


def test_the_article_recipe_holds_no_images_back():
    source = prepare_source("digits", None, LENET_ARTICLE, None).source
    assert source.validation is None
    assert len(source.train) == 1438


def test_auto_is_a_device_that_is_there():
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    if not torch.backends.mps.is_available():
        assert resolve_device("auto") == expected
    assert resolve_device("cpu") == "cpu"


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is present")
def test_a_device_that_is_absent():
    with pytest.raises(NormscopeError) as error:
        resolve_device("cuda")
    assert str(error.value) == (
        "--device cuda must be present and supported by the installed torch, got neither here. "
        "Use --device auto."
    )


def test_unknown_device():
    with pytest.raises(UnknownName) as error:
        resolve_device("cida")
    assert str(error.value) == (
        "--device must be one of auto, cpu, cuda, mps, got 'cida'. Did you mean 'cuda'?"
    )


def test_strict_refuses_unreadable_images(class_folders):
    path = class_folders / "train" / "cats" / "0.png"
    path.write_bytes(b"")
    source = prepare_source(str(class_folders), None, LENET, None).source
    check_all_read(source.name, source.skipped, strict=False)
    with pytest.raises(WorkFailed) as error:
        check_all_read(source.name, source.skipped, strict=True)
    assert str(error.value) == (
        f"every image of {class_folders} must be readable under --strict, got 1 that are not, "
        f"such as {path}: an empty file. Mend or remove them."
    )


def test_nothing_silences_the_process_by_itself():
    """What may run in threads, or around users' code, takes the one way that counts them."""
    source = Path(normscope.__file__).parent
    alone = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*.py")
        if "catch_warnings()" in path.read_text()
    }
    # Of a process without other threads, and of an actor's own.
    assert alone == {"quiet.py", "studies/executors/forking.py", "studies/executors/on_ray.py"}


def test_decoding_in_threads_silences_nothing_for_good():
    both_in, one_out = Barrier(2), Barrier(2)

    def first():
        with without_warnings():
            both_in.wait(10)
        one_out.wait(10)

    def second():
        with without_warnings():
            both_in.wait(10)
            one_out.wait(10)

    before = list(warnings.filters)
    with ThreadPoolExecutor(2) as pool:
        for done in (pool.submit(first), pool.submit(second)):
            done.result()
    assert list(warnings.filters) == before


@pytest.mark.parametrize("tagged", [False, True])
def test_wide_pixels_that_hold_no_data_are_said(tmp_path, tagged):
    tifffile = pytest.importorskip("tifffile")
    random = np.random.default_rng(0)
    tag = [(42113, "s", 0, "65535", True)] if tagged else []
    for name in ("train/a", "train/b", "test/a", "test/b"):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        for i in range(4):
            heights = random.integers(200, 400, (20, 20)).astype(np.uint16)
            heights[0, :8] = 65535
            tifffile.imwrite(folder / f"{i}.tif", heights, extratags=tag)
    met = {
        False: "2 % of the pixel values are 65535, far from all others (200 to 399). If that means "
        "no data, mean and std count it and the network is shown it: ",
        True: "2 % of the pixels do not count (nodata or transparent). Mean and std leave them "
        "out, but the network is shown what the files hold: ",
    }[tagged]
    scaled = ImageTransform(scale=65535)
    with pytest.warns(RuntimeWarning, match="data") as said:
        data = prepare_source(str(tmp_path), None, LENET, None, scaled).data
    assert [str(one.message) for one in said] == [
        f"{tmp_path}: {met}give these pixels another value in the files, such as the mean of the "
        "others."
    ]
    assert (data.mean[0] * 65535 < 400) == tagged


def test_bits_that_are_not_used_are_said(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    random = np.random.default_rng(0)
    for name in ("cats", "dogs"):
        (tmp_path / name).mkdir()
        for i in range(5):
            tifffile.imwrite(
                tmp_path / name / f"{i}.tif", random.integers(0, 4096, (8, 8), np.uint16)
            )
    with pytest.warns(RuntimeWarning, match=r"The 16-bit pixels reach only 40\d\d of 65535: "):
        prepare_source(str(tmp_path), None, LENET, None)
    prepare_source(str(tmp_path), None, LENET, None, ImageTransform(scale=4095))
