from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import normscope
from normscope import ray_connection
from normscope.errors import NormscopeError
from normscope.ray_connection import ray_cluster
from normscope.statistics.on_ray import reduce_on_ray
from normscope.statistics.reading import Reading
from normscope.statistics.stats import stats

pytest.importorskip("ray", reason="the ray extra is not installed")


def _afresh(script, *arguments):
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(normscope.__file__).parents[1]),
        "RAY_USAGE_STATS_ENABLED": "0",
        # Keeps Ray's driver on the loopback address too, which it otherwise replaces.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    }
    run = subprocess.run(
        [sys.executable, "-W", "ignore", Path(__file__).with_name(script), *arguments],
        env=environment, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-2000:]
    return run


@pytest.mark.thorough
def test_a_cluster_gives_the_same_bits_though_a_node_dies(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(400):
        pixels = rng.integers(0, 256, (48, 48 + number % 5, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number:03}.png")
    (tmp_path / "100.png").write_bytes(b"broken")
    run = _afresh("on_a_cluster.py", tmp_path)
    printed = json.loads(run.stdout.splitlines()[-1])
    assert printed["killed_midway"]
    assert printed["found"] == stats(str(tmp_path), batch_size=70, workers=2).to_json()


def test_no_cluster_there():
    with pytest.raises(NormscopeError) as error:
        stats("digits", ray="127.0.0.1:1")
    assert str(error.value) == (
        "ray must be the address of a running cluster, got 127.0.0.1:1: Connection refused. "
        "Start one by `ray start --head`."
    )


SETTINGS = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""What Ray's server says first: a frame of HTTP/2."""


@contextmanager
def answering(answer):
    """A server that answers whatever it is sent in this way; or never, where that is None."""
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:

        def serve():
            connection, _ = server.accept()
            with connection:
                if answer is None:
                    while connection.recv(1000):
                        pass
                else:
                    connection.recv(1000)
                    connection.sendall(answer)

        pool.submit(serve)
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (None, "no answer within 0.2 s, as Ray's would be"),
        (b"", "an answer of another kind of server"),
        (b"HTTP/1.0 400 Bad request\r\n\r\n", "an answer of another kind of server"),
    ],
)
@pytest.mark.parametrize("client", ["", "ray://"])
def test_a_port_that_is_no_clusters(monkeypatch, answer, reason, client):
    monkeypatch.setattr(ray_connection, "PATIENCE_SECONDS", 0.2)
    monkeypatch.delenv("RAY_USE_TLS", raising=False)
    with answering(answer) as address, pytest.raises(NormscopeError) as error:
        stats("digits", ray=client + address)
    assert str(error.value) == (
        f"ray must be the address of a running cluster, got {client}{address}: {reason}. "
        "Start one by `ray start --head`."
    )


def test_another_server_that_speaks_grpc():
    # A node's own, since a cluster's address is that of another server beside it.
    found = _afresh("beside_a_cluster.py")
    address, sentence = json.loads(found.stdout.splitlines()[-1])
    assert sentence == (
        f"ray must be the address of a running cluster, got {address}: an answer of another kind "
        "of server. If it answers others, it may want a token: set RAY_AUTH_MODE=token."
    )


def test_a_cluster_that_wants_a_token(monkeypatch):
    # What Ray 2.60 raises where the cluster has a token and RAY_AUTH_MODE is not set.
    def refuse(address, **_):
        raise ConnectionError(f"Failed to connect to Ray cluster at {address}")

    monkeypatch.setattr("ray.init", refuse)
    monkeypatch.setattr(ray_connection, "_check_is_ray", lambda *_: None)
    with (
        answering(SETTINGS) as address,
        pytest.raises(NormscopeError) as error,
        ray_cluster(address),
    ):
        pass
    assert str(error.value) == (
        f"--ray must be the address of a running cluster, got {address}: Failed to connect to Ray "
        f"cluster at {address}. If it answers others, it may want a token: set RAY_AUTH_MODE=token."
    )


def test_ray_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(NormscopeError) as error:
        list(reduce_on_ray([], Reading(), "auto"))
    assert str(error.value) == (
        "ray must be installed for --ray, got none. Run: pip install 'normscope[ray]'"
    )
