from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import normscope
from normscope.images.shards import shard_size
from normscope.images.stream import open_stream
from normscope.statistics.collected import Collected
from normscope.statistics.reading import Reading
from normscope.statistics.reduce import Stopped, reduce_shard
from normscope.statistics.stats import stats
from tests.reference.bits import everything


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(400):
        channels = 1 if number % 7 == 0 else 3
        pixels = rng.integers(0, 256, (8, 9, channels), dtype=np.uint8)
        Image.fromarray(pixels.squeeze()).save(folder / f"{number:03}.png")
    (folder / "050.png").write_bytes(b"broken")
    return folder


class Interrupted(Exception):
    pass


def test_an_interrupted_run_goes_on_from_its_shards(images, tmp_path, monkeypatch):
    expected = everything(stats(images, batch_size=30))
    calls = []

    def interrupt(done, share):
        calls.append(done)
        if len(calls) == 3:
            raise Interrupted

    out = tmp_path / "out"
    with pytest.raises(Interrupted):
        stats(images, batch_size=30, out=out, workers=1, on_progress=interrupt)
    saved = len(list((out / "shards").iterdir()))
    assert saved >= 3
    read = []
    original = Image.open
    monkeypatch.setattr(Image, "open", lambda *a, **k: read.append(1) or original(*a, **k))
    found = stats(images, batch_size=30, out=out, workers=7)
    assert everything(found) == expected
    assert len(read) <= 400 - shard_size(0) * saved
    read.clear()
    assert everything(stats(images, batch_size=30, out=out)) == expected
    assert not read
    assert json.loads((out / "stats.json").read_text()) == found.to_json()


def test_other_options_or_changed_files_are_read_again(images, tmp_path):
    out = tmp_path / "out"
    stats(images, out=out)
    assert everything(stats(images, out=out, channels="grey")) == everything(
        stats(images, channels="grey")
    )
    Image.new("RGB", (9, 8), (1, 2, 3)).save(images / "003.png")
    assert everything(stats(images, out=out)) == everything(stats(images))


def test_a_damaged_shard_is_done_again(images, tmp_path):
    out = tmp_path / "out"
    expected = everything(stats(images, out=out))
    for number, path in enumerate(sorted((out / "shards").iterdir())):
        path.write_text(path.read_text()[: 40 * number])
    assert everything(stats(images, out=out)) == expected


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32"])
def test_sums_survive_json(dtype):
    pixels = (np.random.default_rng(0).random((9, 2, 5, 5)) * 100).astype(dtype)
    reading = Reading(batch_size=4)
    shard = next(iter(open_stream(pixels).shards()))
    collected = reduce_shard(shard, reading)
    collected.skipped.append((3, "a.png", "broken"))
    again = Collected.from_json(json.loads(json.dumps(collected.to_json())))
    assert again.to_json() == collected.to_json()
    assert again.skipped == collected.skipped


def test_arrays_and_iterables_with_out(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (9, 5, 5), dtype=np.uint8)
    np.save(tmp_path / "a.npy", pixels)
    expected = stats(pixels).mean
    for source in (pixels, tmp_path / "a.npy", list(pixels)):
        for _ in range(2):
            assert stats(source, out=tmp_path / "out").mean == expected


def test_a_worker_stops_between_images():
    shard = next(iter(open_stream(np.zeros((3, 4, 4), np.uint8)).shards()))
    with pytest.raises(Stopped):
        reduce_shard(shard, Reading(), stopped=lambda: True)


def _run(images, out, *more):
    return subprocess.Popen(
        [sys.executable, "-m", "normscope", "stats", str(images), "--out", str(out), *more],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(Path(normscope.__file__).parents[1])},
    )  # fmt: skip


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_a_run_from_the_command_line_is_stopped_and_goes_on(tmp_path, sign):
    images, out = tmp_path / "images", tmp_path / "out"
    images.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (800, 800, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(images / "000.jpg", quality=95)
    for number in range(1, 900):
        os.link(images / "000.jpg", images / f"{number:03}.jpg")
    run = _run(images, out, "--workers", "2")
    shards = out / "shards"
    deadline = time.monotonic() + 60
    while not (shards.is_dir() and list(shards.glob("[!.]*.json"))):
        assert time.monotonic() < deadline
        assert run.poll() is None, run.stderr.read()
        time.sleep(0.05)
    run.send_signal(sign)
    _, error = run.communicate(timeout=30)
    assert run.returncode == (130 if sign == signal.SIGINT else -signal.SIGKILL), error
    assert 1 <= len(list(shards.glob("[!.]*.json"))) < 14
    for path in sorted(images.iterdir())[128:]:
        path.unlink()
    again = _run(images, out)
    printed, error = again.communicate(timeout=60)
    assert again.returncode == 0, error
    assert "128 images" in printed
