"""The library in C: compiled once, kept whole, done without where it cannot be had."""

from __future__ import annotations

import ctypes
import subprocess

import pytest
import torch
from torch import nn

from normscope.models.native import layers, library
from normscope.models.native.layers import quicken, trusted_library
from normscope.models.native.library import open_library

needs_library = pytest.mark.skipif(
    open_library(torch.float32) is None,
    reason="layers in C need AVX2 without AVX512, Linux and gcc",
)


@pytest.fixture
def opening(tmp_path, monkeypatch):
    """An empty cache, and functions that have not been called yet."""
    monkeypatch.setenv("NORMSCOPE_CACHE", str(tmp_path / "cache"))
    open_library.cache_clear()
    trusted_library.cache_clear()
    yield tmp_path / "cache" / "native"
    open_library.cache_clear()
    trusted_library.cache_clear()


def compilations(monkeypatch):
    """Every command that is run from now on."""
    commands, real = [], subprocess.run
    monkeypatch.setattr(
        library.subprocess, "run", lambda c, **o: commands.append(c) or real(c, **o)
    )
    return commands


def layer_in_c():
    return nn.BatchNorm2d(8)


@needs_library
def test_it_is_compiled_once(opening, monkeypatch):
    commands = compilations(monkeypatch)
    assert quicken(layer_in_c()) == 1
    open_library.cache_clear()
    trusted_library.cache_clear()
    assert quicken(layer_in_c()) == 1
    assert len(commands) == 1
    assert len(list(opening.glob("*.so"))) == 1


@needs_library
@pytest.mark.parametrize("length", [0, 10, -1])
def test_a_damaged_file_is_made_anew(opening, monkeypatch, length):
    path = opening / "damaged.so"
    monkeypatch.setattr(library, "_path", lambda *_: path)
    opening.mkdir(parents=True)
    path.write_bytes(b"\x7fELF and not much more"[:length])
    commands = compilations(monkeypatch)
    assert quicken(layer_in_c()) == 1
    assert len(commands) == 1
    assert library._is_whole(path)


@needs_library
def test_a_cache_that_cannot_be_written(opening, monkeypatch):
    opening.parent.write_text("a file where the cache should be")
    commands = compilations(monkeypatch)
    assert quicken(layer_in_c()) == 1
    assert len(commands) == 1


def test_without_a_compiler_layers_stay(opening, monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler")
    layer = layer_in_c()
    assert quicken(layer) == 0
    assert "forward" not in vars(layer)


@pytest.mark.parametrize("capability", ["DEFAULT", "AVX512", "NEON"])
def test_on_other_processors_layers_stay(opening, monkeypatch, capability):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert quicken(layer_in_c()) == 0


@needs_library
def test_a_compiler_that_fails_is_told(opening, monkeypatch, tmp_path):
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\necho 'cc: out of order' >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CC", str(compiler))
    with pytest.warns(RuntimeWarning) as warned:
        assert quicken(layer_in_c()) == 0
    assert [str(one.message) for one in warned] == [
        f"layers in C are left out: {compiler} must compile them, got: cc: out of order. "
        "Training goes on with torch's. Name another compiler in CC."
    ]
    assert list(opening.glob("*.so")) == []


@needs_library
def test_a_library_that_strays_is_left_out(opening, monkeypatch):
    monkeypatch.setattr(layers, "_strays", lambda *_: 0.25)
    with pytest.warns(RuntimeWarning) as warned:
        assert quicken(layer_in_c()) == 0
    assert [str(one.message) for one in warned] == [
        "layers in C are left out: they must agree with torch's, got a difference of 2.5e-01. "
        "Training goes on with torch's."
    ]


@needs_library
def test_no_number_is_no_agreement(opening, monkeypatch):
    monkeypatch.setattr(layers, "_strays", lambda *_: float("nan"))
    with pytest.warns(RuntimeWarning, match="got a difference of nan"):
        assert quicken(layer_in_c()) == 0


@needs_library
def test_the_check_sees_what_is_wrong(opening):
    right = open_library(torch.float32)

    class Wrong(ctypes.CDLL):
        def winograd_weight(self, *arguments):
            failed = right.winograd_weight(*arguments)
            first = ctypes.cast(arguments[2], ctypes.POINTER(ctypes.c_float))
            first[0] += 1.0
            return failed

    assert layers._strays(right, torch.float32) < 1e-5
    assert layers._strays(Wrong(right._name), torch.float32) > 1e-3


@needs_library
def test_no_memory_is_an_error():
    with pytest.raises(MemoryError):
        library.check(1)
