"""Without a network: one sentence at once, and what is on this machine is used."""

from __future__ import annotations

import logging
import socket
import time

import pytest

from normscope.errors import WorkFailed
from normscope.models.building import build_model
from normscope.models.libraries import hub

pytest.importorskip("transformers", reason="transformers is not installed")


@pytest.fixture
def offline(monkeypatch):
    def refuse(*_args, **_options):
        raise OSError("no network here")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(hub, "getproxies", dict)
    hub._hub_answers.cache_clear()
    yield
    hub._hub_answers.cache_clear()


def test_a_repository_that_cannot_be_fetched_is_refused_at_once(offline, caplog):
    caplog.set_level(logging.WARNING)
    start = time.monotonic()
    with pytest.raises(WorkFailed) as error:
        build_model("hf/nobody/nothing-at-all", channels=3, classes=2, image_size=(32, 32))
    assert time.monotonic() - start < 10  # mostly imports; its client tries for 23 s
    assert str(error.value).startswith(
        "hf/nobody/nothing-at-all must be a folder or a repository of an image classifier that "
        "can be fetched, got: "
    )
    assert str(error.value).endswith(". Check the name and the network.")
    assert ".." not in str(error.value)
    assert caplog.messages == []


def test_a_folder_needs_no_network(offline, tmp_path):
    assert hub.only_local(str(tmp_path))
    assert hub.only_local("nobody/nothing")


def test_behind_a_proxy_the_hub_is_taken_to_answer(offline, monkeypatch):
    monkeypatch.setattr(hub, "getproxies", lambda: {"https": "http://proxy:3128"})
    assert not hub.only_local("nobody/nothing")
