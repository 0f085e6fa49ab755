"""A scan shared through PostgreSQL, which is restarted or killed in the middle."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from normscope.errors import NormscopeError
from tests.postgresql import Server, running_server, server_programs
from tests.torture.cases import Case
from tests.torture.contents import contents, trials_in
from tests.torture.inputs import GRID
from tests.torture.runs import Run

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from tests.torture.references import References

NAME = "one"
MANY = ["--seeds", "12", "--survival", "0"]
"""So many trials that the server is away in the midst of them."""

WAYS = ("fast", "immediate", "killed", "backends killed")


def scan_at(url: str, grace: int = 5) -> Case:
    """A scan of which two processes each do a part."""
    grid = [*GRID[:4], *MANY, *GRID[-2:]]
    return Case(
        "shared scan on PostgreSQL",
        ["scan", "in/photos", *grid, "--out", "outWHO", "--workers", "1", "--storage", url,
         "--study", NAME, "--grace", str(grace)],
    )  # fmt: skip


def interrupted(
    rng: random.Random, references: References, place: Path
) -> tuple[list[str], list[str]]:
    """Interrupt the server in every way while two processes scan, and finish each scan.

    Args:
        rng: Decides when, and for how long it is away.
        references: Where runs are forked from, and what they read.
        place: A folder that does not exist.

    Returns:
        What was done, and what is at fault.
    """
    import psycopg

    programs = server_programs()
    assert programs is not None
    done, faults = [], []
    place.mkdir()
    with running_server(programs) as server:
        whole = None
        for way in ("undisturbed", *WAYS):
            database = way.replace(" ", "_")
            with psycopg.connect(f"{server.url}postgres", autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {database}")
            case, folder = scan_at(f"{server.url}{database}"), place / database
            case.prepare(folder, references.inputs)
            statuses = []
            if whole is not None:
                runs = [Run(case, folder, who, warm=references.warm) for who in (0, 1)]
                _wait_for_trials(case, folder, runs, rng.randrange(3, 30))
                _strike(server, way, rng.choice((0, 1, 4)))
                faults += [fault for run in runs for fault in (*run.wait(), *_told(run))]
                statuses = [run.process.returncode for run in runs]
                done.append(f"PostgreSQL {way}: the two ended with {statuses}")
            faults += references.finish(case, folder)
            found = _left(case, folder)
            whole = whole or found
            faults += [f"{way}: {n} differs" for n in whole if found.get(n) != whole[n]]
    return done, faults


def _left(case: Case, folder: Path) -> dict:
    url = case.arguments[case.arguments.index("--storage") + 1]
    return {**contents(folder), "trials": trials_in(folder / "out0", url, NAME)}


def _wait_for_trials(case: Case, folder: Path, runs: list[Run], least: int) -> None:
    url = case.arguments[case.arguments.index("--storage") + 1]
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and all(run.process.poll() is None for run in runs):
        with suppress(NormscopeError, KeyError):
            if len(trials_in(folder / "out0", url, NAME)) > least:
                return
        time.sleep(0.05)


def _strike(server: Server, way: str, seconds_away: float) -> None:
    if way == "backends killed":
        # One that dies takes all connections along, and the server comes back by itself.
        os.kill(server.processes()[-1], signal.SIGKILL)
        return
    if way == "killed":
        for pid in server.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.5)
    else:
        server.stop(way)
    time.sleep(seconds_away)
    server.start()


def _told(run: Run) -> list[str]:
    said = run.said()
    if run.process.returncode == 0 or "must be a database that" in said:
        return []
    return [f"status {run.process.returncode} without a word of the database: {said[-2000:]}"]
