"""Servers of files: this machine serves them to itself."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from normscope.images import remote


class EndsItsConnections:
    """A threading server whose end is theirs too, though clients would keep them open."""

    daemon_threads = False

    def process_request(self, request, client_address):
        vars(self).setdefault("connections", []).append(request)
        super().process_request(request, client_address)

    def server_close(self):
        for connection in vars(self).get("connections", ()):
            with contextlib.suppress(OSError):  # closed already
                connection.shutdown(socket.SHUT_RDWR)
        super().server_close()


class _Server(EndsItsConnections, ThreadingHTTPServer):
    pass


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        server = self.server
        server.asked.append((self.command, self.path, self.headers.get("Range")))
        path = self.path.partition("?")[0]
        if server.kills and self.command == "GET":
            server.kills -= 1
            self.close_connection = True
            self.connection.close()
            return
        if path in server.statuses or path not in server.files:
            self.send_response(server.statuses.get(path, 404))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        data = server.files[path]
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if asked and server.ranges:
            start, end = int(asked[1]), min(int(asked[2]) + 1, len(data))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(data)}")
            data = data[start:end]
        else:
            self.send_response(200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr("normscope.images.remote.PAUSE_SECONDS", 0.01)
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.files, server.statuses, server.asked = {}, {}, []
        server.kills, server.ranges = 0, True
        server.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def silent(monkeypatch):
    """Where a server accepts every connection and never says a word; and who has asked it."""
    monkeypatch.setattr("normscope.patience.READ_SECONDS", 0.2)
    monkeypatch.setattr("normscope.images.remote._ANSWERED", set())
    with socket.create_server(("127.0.0.1", 0)) as server, contextlib.ExitStack() as connections:
        asked = []

        def accept():
            with contextlib.suppress(OSError):  # of its end
                while True:
                    asked.append(connections.enter_context(server.accept()[0]))

        thread = threading.Thread(target=accept)
        thread.start()
        remote._files_of.cache_clear()
        yield SimpleNamespace(url=f"http://127.0.0.1:{server.getsockname()[1]}", asked=asked)
        server.shutdown(socket.SHUT_RDWR)  # closing it would leave the thread waiting
        thread.join()
    remote._files_of.cache_clear()


@pytest.fixture
def bucket(monkeypatch):
    pytest.importorskip("s3fs", reason="the extra remote is not installed")
    boto3 = pytest.importorskip("boto3", reason="the package boto3 is not installed")
    moto = pytest.importorskip("moto.server", reason="the package moto is not installed")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for key, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(key, value)
    import fsspec

    from normscope.images.remote import _files_of

    _files_of.cache_clear()
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    client = boto3.client("s3")
    client.create_bucket(Bucket="bkt")
    yield lambda key, data: client.put_object(Bucket="bkt", Key=key, Body=data)
    server.stop()
    _files_of.cache_clear()
    fsspec.get_filesystem_class("s3").clear_instance_cache()
