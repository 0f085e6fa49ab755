"""What fails the test that leaves something behind."""

from __future__ import annotations

import socket

from tests.left_behind import LeftBehind


def test_an_open_socket_is_a_fault_and_one_that_closes_meanwhile_is_none(monkeypatch):
    before = LeftBehind()
    with socket.socket() as left:
        (fault,) = before.faults()
        assert fault.startswith("sockets: ")
        number = left.fileno()
    monkeypatch.setattr("tests.left_behind._sockets", lambda: {"socket:[0]": number})
    assert before.faults() == []
