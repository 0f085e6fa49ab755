"""Commands killed at random moments, alone and beside another, and gone on with."""

from __future__ import annotations

import shutil
import signal
import time
from itertools import pairwise
from typing import TYPE_CHECKING

from tests.torture.cases import CASES, Case
from tests.torture.moments import Moment
from tests.torture.runs import Run, leftovers

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from tests.torture.references import References

STRIKES = (
    (signal.SIGKILL, "main"), (signal.SIGKILL, "main"), (signal.SIGKILL, "worker"),
    (signal.SIGINT, "main"), (signal.SIGINT, "group"), (signal.SIGTERM, "main"),
    (signal.SIGTERM, "group"),
)  # fmt: skip
SHARES = (0.6, 0.3, 0.1)
"""How often a study is killed once, twice and three times before it is finished."""


COLD, START_SECONDS = 0.2, 4
"""How often a process is begun as usual, and about how long it imports."""


def killed(
    rng: random.Random, references: References, place: Path, case: Case | None = None
) -> tuple[list[str], list[str]]:
    """Kill a command a few times, then run it to its end.

    Args:
        rng: Decides what is run, and how and when it is killed.
        references: What undisturbed runs left.
        place: A folder that does not exist; it is removed unless there is a fault.
        case: The command; drawn where none is given.

    Returns:
        What was done, a line for each kill, and what is at fault.
    """
    case = case or rng.choices(CASES, [one.weight for one in CASES])[0]
    seconds = references.of(case).seconds
    two = case.shared or rng.random() < 0.3
    case.prepare(place, references.inputs)
    done, faults, lost = [], [], set[str]()
    for _ in range(rng.choices((1, 2, 3), SHARES)[0]):
        number, whom = rng.choice(STRIKES)
        if whom == "worker" and ("--workers", "2") not in pairwise(case.arguments):
            whom = "main"
        moment, twice = Moment.drawn(rng), number == signal.SIGINT and rng.random() < 0.2
        pause = rng.random() / 2
        warm = None if rng.random() < COLD else references.warm
        runs = [Run(case, place, who * case.shared, warm=warm) for who in range(1 + two)]
        struck = rng.choice(runs)
        moment.wait(struck, place, (seconds + (warm is None) * START_SECONDS) * (1 + two))
        if struck.send(number, whom):
            name = f"{case.name}{' beside another' * two}{' from its start' * (warm is None)}"
            what = f"{name}: {number.name} to {whom} {moment}"
            done.append(what + " and again" * twice)
            if twice:
                time.sleep(pause)
                struck.send(number, whom)
        for run in runs:
            faults += run.wait()
            faults += [] if run is struck else refused(run, case)
        faults += left_over(place, number, lost)
        faults += references.torn(case, place)
        if faults:
            break
    faults += references.finish(case, place) or references.different(case, place)
    if not faults:
        shutil.rmtree(place)
    return done, faults


def refused(run: Run, case: Case) -> list[str]:
    """What is wrong with the end of a process that was not killed, beside another.

    Args:
        run: It.
        case: Its command.

    Returns:
        Nothing where it did its work, or said that the other is at work.
    """
    status, said = run.process.returncode, run.said()
    if status == 0:
        return []
    if case.busy and status == 2 and "must be used by one process at a time" in said:
        return []
    return [f"the process beside it ended with {status}: {said[-2000:]}"]


def left_over(place: Path, number: int, lost: set[str]) -> list[str]:
    """What a signal left that it must not leave.

    Args:
        place: The folder in which a command was called.
        number: The signal. Only the next write removes what ``SIGKILL`` leaves, and another signal
            may come before it.
        lost: What earlier ones left; what this one leaves is added.
    """
    names = leftovers(place)
    if number == signal.SIGKILL:
        lost.update(names)
    return [f"left over: {name}" for name in names if name not in lost]
