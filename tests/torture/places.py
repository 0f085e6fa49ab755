"""Commands where nothing can be written, or not enough, or where the clock goes back."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.postgresql import NOBODY
from tests.torture.moments import Moment
from tests.torture.runs import Run, leftovers
from tests.torture.warm import Warm

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from tests.torture.cases import Case
    from tests.torture.references import References

AMPLE = "512m"


def full_disk(rng: random.Random, references: References, place: Path, case: Case) -> list[str]:
    """Run a command on a disk with too little room, then with enough.

    Args:
        rng: Decides how little: from nothing to nearly all that the command writes.
        references: What undisturbed runs left.
        place: A folder that does not exist.
        case: The command.

    Returns:
        What is at fault.
    """
    with _disk(place) as resize:
        case.prepare(place, references.inputs)
        status = os.statvfs(place)
        used = (status.f_blocks - status.f_bfree) * status.f_frsize
        pages = int(rng.random() * references.of(case).bytes_) // status.f_frsize
        resize(str(used + max(1, pages) * status.f_frsize))
        run = Run(case, place, warm=references.warm)
        faults = [*run.wait(), *_told(run), *_torn(references, case, place)]
        faults += [f"left over: {name}" for name in leftovers(place)]
        resize(AMPLE)
        return faults + (references.finish(case, place) or references.different(case, place))


def read_only(references: References, place: Path, case: Case, *, as_nobody: bool) -> list[str]:
    """Run a command in a folder that may only be read, then in the same one writable.

    Args:
        references: What undisturbed runs left.
        place: A folder that does not exist.
        case: The command.
        as_nobody: Whether the folder's modes refuse an ordinary user; else the disk refuses all.

    Returns:
        What is at fault.
    """
    with _disk(place) as resize:
        case.prepare(place, references.inputs)
        if as_nobody:
            (place / "tmp").chmod(0o777)
            home = str(place / "tmp")
            run = Run(case, place, warm=references.warm, user=NOBODY, HOME=home)
        else:
            resize(f"{AMPLE},ro")
            elsewhere = place.parent / f"{place.name}-tmp"
            elsewhere.mkdir()
            run = Run(case, place, warm=references.warm, TMPDIR=str(elsewhere))
        faults = [*run.wait(), *_told(run), *_torn(references, case, place)]
        if as_nobody:
            for kept in (place / "tmp").iterdir():
                kept.unlink() if kept.is_file() else shutil.rmtree(kept)
        else:
            resize(f"{AMPLE},rw")
        return faults + (references.finish(case, place) or references.different(case, place))


def clock_back(
    rng: random.Random, references: References, warm: Warm, place: Path, case: Case
) -> list[str]:
    """Set the clock back by a day in the middle of a command, and once more before it is repeated.

    Args:
        rng: Decides when.
        references: What undisturbed runs left.
        warm: What ``with_slow_clock`` gave.
        place: A folder that does not exist.
        case: The command.

    Returns:
        What is at fault.
    """
    seconds = references.of(case).seconds
    clock = place.parent / f"{place.name}-back"
    case.prepare(place, references.inputs)
    run = Run(case, place, warm=warm, TORTURE_CLOCK=str(clock))
    Moment(rng.random(), None).wait(run, place, seconds)
    clock.touch()
    faults = run.wait()
    if run.process.returncode:
        faults.append(f"status {run.process.returncode}: {run.said()[-2000:]}")
    for who in range(1 + case.shared):
        faults += Run(case, place, who, warm=warm, TORTURE_CLOCK=str(clock)).wait()
    return [*faults, *references.different(case, place)]


SHIM = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static long back(void) {
    const char *path = getenv("TORTURE_CLOCK");
    return path && access(path, F_OK) == 0 ? 86400 : 0;
}
int clock_gettime(clockid_t clock, struct timespec *now) {
    int (*theirs)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int status = theirs(clock, now);
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) now->tv_sec -= back();
    return status;
}
int gettimeofday(struct timeval *now, void *zone) {
    int (*theirs)(struct timeval *, void *) = dlsym(RTLD_NEXT, "gettimeofday");
    int status = theirs(now, zone);
    now->tv_sec -= back();
    return status;
}
time_t time(time_t *kept) {
    time_t (*theirs)(time_t *) = dlsym(RTLD_NEXT, "time");
    time_t now = theirs(NULL) - back();
    if (kept) *kept = now;
    return now;
}
"""
"""Time as the C library tells it, a day less once a file is there: the machine's own clock is not
touched, and no namespace of Linux has one of its own."""


def with_slow_clock(folder: Path) -> Warm:
    """Processes whose clock a file sets back.

    Args:
        folder: Where the library is kept that does it, loaded before others.
    """
    library = folder / "clock.so"
    call = ["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(library), "-ldl"]
    subprocess.run(call, input=SHIM, text=True, check=True)
    return Warm(LD_PRELOAD=str(library))


def refusals() -> dict[str, str]:
    """Why this machine cannot do what, by the name of what it cannot."""
    found = {}
    if os.geteuid() != 0 or shutil.which("mount") is None:
        found["disk"] = "to mount a small disk one must be root on Linux"
    elif subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        found["disk"] = "to mount a small disk root must be allowed to mount"
    if shutil.which("cc") is None:
        found["clock"] = "to set a process's clock back there must be a C compiler"
    return found


@contextmanager
def _disk(place: Path) -> Iterator:
    """A disk of its own, and how it is remounted."""
    place.mkdir()
    call = ["mount", "-t", "tmpfs", "-o", f"size={AMPLE}", "tmpfs", str(place)]
    subprocess.run(call, check=True)

    def resize(options: str) -> None:
        call = ["mount", "-o", f"remount,size={options}", str(place)]
        subprocess.run(call, check=True)

    try:
        yield resize
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def _torn(references: References, case: Case, place: Path) -> list[str]:
    """The same of a copy elsewhere, since a database is not read without writing beside it."""
    with tempfile.TemporaryDirectory() as name:
        shutil.copytree(place, Path(name) / "place", symlinks=True)
        return references.torn(case, Path(name) / "place")


def _told(run: Run) -> list[str]:
    """What is wrong with how a command that could not write said so."""
    status, said = run.process.returncode, run.said()
    sentences = [line for line in said.splitlines() if line.startswith("normscope: ")]
    if status == 0:
        return []  # what it was denied it could do without
    if status not in {1, 2} or len(sentences) != 1:
        return [f"status {status}, and not one sentence: {said[-2000:]}"]
    return []
