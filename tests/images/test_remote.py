"""Sources elsewhere: served by this machine to itself."""

from __future__ import annotations

import contextlib
import io
import os
import re
import socket
import socketserver
import tarfile
import threading
import zipfile

import pytest

from normscope import stats
from normscope.errors import NormscopeError, WorkFailed
from tests.images.conftest import EndsItsConnections
from tests.images.containers.made import check, encode, random_images

pytest.importorskip("fsspec", reason="the extra remote is not installed")
pytest.importorskip("aiohttp", reason="the extra remote is not installed")

ADVICE = "Check the address, the network and the credentials in the environment."


def _archive(name, encoded):
    data = io.BytesIO()
    if name.endswith(".zip"):
        with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
            for k, image in enumerate(encoded):
                archive.writestr(f"{k:03}.png", image)
    else:
        with tarfile.open(fileobj=data, mode="w:gz" if name.endswith("gz") else "w") as archive:
            for k, image in enumerate(encoded):
                info = tarfile.TarInfo(f"{k:03}.png")
                info.size = len(image)
                archive.addfile(info, io.BytesIO(image))
    return data.getvalue()


def _table(name, encoded):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table, sink = pa.table({"image": encoded}), io.BytesIO()
    if name.endswith(".parquet"):
        pq.write_table(table, sink, row_group_size=7)
    else:
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table, 7)
    return sink.getvalue()


@pytest.mark.parametrize("name", ["a.tar", "a.tgz", "a.zip", "a.parquet", "a.arrow", "a.png"])
def test_files_over_http(server, name):
    images = random_images(1 if name == "a.png" else 20)
    encoded = [encode(image) for image in images]
    make = _table if name in {"a.parquet", "a.arrow"} else _archive
    server.files[f"/{name}"] = encoded[0] if name == "a.png" else make(name, encoded)
    found = stats(f"{server.url}/{name}", workers=2)
    check(found, images)
    assert found.name == f"{server.url}/{name}"


def test_a_killed_connection_is_tried_again(server):
    images = random_images(20)
    server.files["/a.zip"] = _archive("a.zip", [encode(image) for image in images])
    server.kills = 2
    check(stats(f"{server.url}/a.zip"), images)
    server.kills = 1000
    with pytest.raises(WorkFailed) as error:
        stats(f"{server.url}/a.zip")
    assert re.fullmatch(
        re.escape(f"{server.url}/a.zip must be readable, got: no connection (")
        + r"\w+"
        + re.escape(f") in each of 3 attempts. {ADVICE}"),
        str(error.value),
    )


@pytest.mark.parametrize(
    ("status", "met"),
    [(404, "nothing there"), (403, "access denied"), (410, "nothing there"),
     (503, "status 503 in each of 3 attempts")],
)  # fmt: skip
def test_refusals(server, status, met):
    server.statuses["/a.tar"] = status
    with pytest.raises(WorkFailed) as error:
        stats(f"{server.url}/a.tar")
    assert str(error.value) == f"{server.url}/a.tar must be readable, got: {met}. {ADVICE}"


def test_secrets_are_used_and_never_shown(server):
    images = random_images(2)
    server.files["/a.zip"] = _archive("a.zip", [encode(images[0]), encode(images[1])[:60]])
    shown = f"{server.url}/a.zip"
    found = stats(f"{shown}?signature=hidden")
    assert found.name == shown
    assert [str(s.path) for s in found.skipped] == [f"{shown}/001.png".replace("//", "/")]
    assert all(path == "/a.zip?signature=hidden" for _, path, _ in server.asked)
    with pytest.raises(WorkFailed) as error:
        stats(f"{server.url.replace('//', '//me:secret@')}/none.zip?signature=hidden")
    assert "secret" not in str(error.value)
    assert "hidden" not in str(error.value)
    assert str(error.value).startswith(f"{server.url}/none.zip must be readable, got: ")


def test_a_server_that_never_answers_is_asked_once(silent):
    url = f"{silent.url}/a.npy"
    with pytest.raises(WorkFailed) as error:
        stats(url)
    assert str(error.value) == f"{url} must be readable, got: no answer within 0.2 s. {ADVICE}"
    assert len(silent.asked) <= 2  # of the request, and of what aiohttp repeats by itself


@pytest.mark.parametrize("name", ["a.png", "photos/"])
def test_a_silent_bucket_is_not_an_empty_one(silent, monkeypatch, name):
    s3fs = pytest.importorskip("s3fs", reason="the extra remote is not installed")
    monkeypatch.setenv("AWS_ENDPOINT_URL", silent.url)
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(key, "test")
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(WorkFailed) as error:
        stats(f"s3://bkt/{name}")
    s3fs.S3FileSystem.clear_instance_cache()
    assert str(error.value) == (
        f"s3://bkt/{name} must be readable, got: no answer within 0.2 s. {ADVICE}"
    )


def test_no_such_host(monkeypatch):
    monkeypatch.setattr("normscope.images.remote.PAUSE_SECONDS", 0.01)
    with pytest.raises(WorkFailed) as error:
        stats("http://nowhere.invalid/a.tar")
    assert str(error.value).startswith(
        "http://nowhere.invalid/a.tar must be readable, got: no connection ("
    )
    assert str(error.value).endswith(f") in each of 3 attempts. {ADVICE}")


def test_a_server_that_sends_no_parts(server):
    server.ranges = False
    images = [encode(image) for image in random_images(40, (40, 40, 3))]
    server.files["/a.zip"] = _archive("a.zip", images) + bytes(2**21)
    with pytest.raises(NormscopeError, match=r"Download it first\.$"):
        stats(f"{server.url}/a.zip")


@pytest.mark.filterwarnings("ignore")
def test_s3(bucket, tmp_path):
    images = random_images(12)
    encoded = [encode(image) for image in images]
    for k, data in enumerate(encoded):
        folder = "train" if k < 8 else "val"
        bucket(f"photos/{folder}/{k:02}.png", data)
        local = tmp_path / "photos" / folder / f"{k:02}.png"
        local.parent.mkdir(parents=True, exist_ok=True)
        local.write_bytes(data)
    bucket("photos/notes.txt", b"notes")
    for split in (None, "val", "all"):
        there, here = (
            stats("s3://bkt/photos", split=split),
            stats(tmp_path / "photos", split=split),
        )
        assert there.to_json()["mean"] == here.to_json()["mean"]
        assert there.to_json()["std"] == here.to_json()["std"]
    check(stats("s3://bkt/photos/"), images[:8])
    for name, make in (("a.tar", _archive), ("a.parquet", _table), ("a.zip", _archive)):
        bucket(name, make(name, encoded))
        check(stats(f"s3://bkt/{name}"), images)
    with pytest.raises(WorkFailed) as error:
        stats("s3://bkt/none.tar")
    assert str(error.value) == f"s3://bkt/none.tar must be readable, got: nothing there. {ADVICE}"
    with pytest.raises(NormscopeError) as error:
        stats("s3://bkt/photos/none/")
    assert str(error.value) == (
        "s3://bkt/photos/none/ must hold at least one readable image, got none. Check the source."
    )


class _CuttingProxy(EndsItsConnections, socketserver.ThreadingTCPServer):
    """Passes on what client and server say, and cuts some answers in the middle."""

    def __init__(self, target: tuple[str, int]) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.target, self.cuts, self.cut = target, 0, 0


class _Passing(socketserver.BaseRequestHandler):
    def handle(self):
        with socket.create_connection(self.server.target) as there:
            asking = threading.Thread(target=self._pass, args=(self.request, there))
            asking.start()
            self._pass(there, self.request, answers=True)
            asking.join()

    def _pass(self, source, target, *, answers=False):
        with contextlib.suppress(OSError):
            while data := source.recv(2**16):
                if answers and self.server.cuts and b"HTTP/1.1 206" in data:
                    self.server.cuts, self.server.cut = self.server.cuts - 1, self.server.cut + 1
                    target.sendall(data[:300])
                    break
                target.sendall(data)
            target.shutdown(socket.SHUT_RDWR)


@pytest.mark.filterwarnings("ignore")
def test_s3_through_connections_that_are_cut(bucket, monkeypatch):
    import fsspec

    images = random_images(12)
    bucket("a.zip", _archive("a.zip", [encode(image) for image in images]))
    host, port = os.environ["AWS_ENDPOINT_URL"].removeprefix("http://").split(":")
    with _CuttingProxy((host, int(port))) as proxy:
        threading.Thread(target=proxy.serve_forever).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.server_address[1]}")
        fsspec.get_filesystem_class("s3").clear_instance_cache()
        proxy.cuts = 2
        try:
            check(stats("s3://bkt/a.zip"), images)
        finally:
            proxy.shutdown()
    assert proxy.cut == 2
