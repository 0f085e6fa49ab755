"""The C beside this file as a library: compiled once, kept, and checked before it is used."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from filelock import FileLock

from normscope.images.cache import cache_folder
from normscope.writing import replacing

if TYPE_CHECKING:
    from torch import Tensor

SOURCE = Path(__file__).with_name("layers.c")
PARTS = ("winograd.h", "batchnorm.h")
REAL = {torch.float32: "float", torch.float64: "double"}

VECTOR = 8
"""Channels come in groups of so many: a vector of float, two of double."""

INSTRUCTIONS = {"AVX2": ("-mavx2", "-mfma")}
"""By torch's name for what a processor has: where this was measured. With AVX512 torch's layers are
twice as quick, and in bf16 more so."""

FLAGS = ("-std=gnu11", "-O3", "-fPIC", "-fopenmp", "-shared", "-nodefaultlibs", "-Wno-psabi")
DIGEST_BYTES = hashlib.sha256().digest_size
SECONDS = 120


@cache
def open_library(dtype: torch.dtype) -> ctypes.CDLL | None:
    """The library for numbers of a type.

    Returns:
        None where there is no use for it or no compiler to make it: torch's own layers do as well.
        One that fails to compile is left out with a warning that says why.
    """
    flags = INSTRUCTIONS.get(torch.backends.cpu.get_cpu_capability())
    compiler, threads = shutil.which(os.environ.get("CC", "gcc")), _torch_threads()
    usable = flags and compiler and threads and dtype in REAL and sys.platform == "linux"
    if not usable:
        return None
    assert flags and compiler and threads  # noqa: PT018 - for the type checker
    command = [compiler, *FLAGS, *flags, f"-DREAL={REAL[dtype]}", str(SOURCE)]
    try:
        return _kept(command, threads)
    except (OSError, subprocess.SubprocessError) as error:
        reason = str(getattr(error, "stderr", None) or error)
        warnings.warn(
            f"layers in C are left out: {compiler} must compile them, got: "
            f"{reason.strip().splitlines()[0]}. Training goes on with torch's. "
            "Name another compiler in CC.",
            RuntimeWarning,
            stacklevel=2,
        )
        return None


def _torch_threads() -> Path | None:
    """The library whose threads torch computes with; a second one's would be in their way."""
    found = sorted((Path(torch.__file__).parent / "lib").glob("libgomp*.so*"))
    return found[0] if found else None


def _kept(command: list[str], threads: Path) -> ctypes.CDLL:
    path = _path(command, threads)
    try:
        if not _is_whole(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path.with_suffix(".lock")):
                if not _is_whole(path):
                    with replacing(path) as temporary:
                        _compile(command, threads, temporary)
        return ctypes.CDLL(str(path))
    except OSError:  # a cache that may only be read
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "layers.so"
            _compile(command, threads, path)
            return ctypes.CDLL(str(path))


def _path(command: list[str], threads: Path) -> Path:
    digest = hashlib.sha256("\0".join([*command[1:-1], threads.name]).encode())
    for part in (SOURCE, *(SOURCE.with_name(name) for name in PARTS)):
        digest.update(part.read_bytes())
    return cache_folder() / "native" / f"{digest.hexdigest()[:32]}.so"


def _compile(command: list[str], threads: Path, path: Path) -> None:
    # Threads are found by the name of the library that torch has opened already.
    subprocess.run(  # noqa: S603 - the user's compiler on our source
        [*command, str(threads), "-lm", "-lc", "-o", str(path)],
        capture_output=True,
        check=True,
        text=True,
        timeout=SECONDS,
    )
    with path.open("ab") as file:
        file.write(hashlib.sha256(path.read_bytes()).digest())


def _is_whole(path: Path) -> bool:
    if not path.is_file():
        return False
    data = path.read_bytes()
    return hashlib.sha256(data[:-DIGEST_BYTES]).digest() == data[-DIGEST_BYTES:]


def pointers(*tensors: Tensor) -> list[ctypes.c_void_p]:
    """Where tensors lie, as the library's functions take it."""
    return [ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors]


def check(failed: int) -> None:
    """Raise what a function of the library reports.

    Raises:
        MemoryError: If it found no memory.
    """
    if failed:
        raise MemoryError
