"""Where an output cannot be written, Python callers too are told in a sentence."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

import normscope
from normscope.errors import NormscopeError
from normscope.ray_connection import _connect

SMALL = {"epochs": 1, "train_images": 60}


@pytest.mark.parametrize(
    ("call", "more"), [(normscope.scan, {}), (normscope.search, {"over": "mean=0:1"})]
)
def test_a_folder_that_cannot_be_made(call, more):
    out = f"{os.devnull}/x"
    with pytest.raises(NormscopeError) as met:
        call("digits", out=out, **SMALL, **more)
    assert str(met.value) == (
        f"{out} must be writable, got: Not a directory. Free up space, fix the permissions or "
        "choose another place."
    )


def test_what_a_library_writes_past_python_is_kept_back_where_it_fails(capfd):
    def init(**_):
        os.write(2, b"W rpc_client.h:153: Failed to connect\n")
        raise ConnectionError("no answer from it.\nand more")

    with pytest.raises(NormscopeError) as met:
        _connect(SimpleNamespace(init=init), "auto")
    assert str(met.value) == (
        "--ray must be the address of a running cluster, got auto: no answer from it. Start one by "
        "`ray start --head`."
    )
    assert capfd.readouterr().err == ""


def test_what_a_library_writes_is_there_where_it_goes_well(capfd):
    _connect(SimpleNamespace(init=lambda **_: os.write(2, b"a warning\n")), "auto")
    assert capfd.readouterr().err == "a warning\n"
    os.write(2, b"and after\n")
    assert capfd.readouterr().err == "and after\n"
