"""Two commands at once in one folder, on one study, on one cache."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.torture.kills import refused
from tests.torture.runs import Run

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from tests.torture.cases import Case
    from tests.torture.references import References


def raced(rng: random.Random, references: References, place: Path, case: Case) -> list[str]:
    """Run a command twice at once, then to its end.

    Args:
        rng: Decides how much later the second begins, by up to a third of what the first takes.
        references: What undisturbed runs left.
        place: A folder that does not exist.
        case: The command.

    Returns:
        What is at fault.
    """
    seconds = references.of(case).seconds
    case.prepare(place, references.inputs)
    first = Run(case, place, 0, warm=references.warm)
    time.sleep(rng.choice((0, 0, seconds / 3 * rng.random())))
    second = Run(case, place, int(case.shared), warm=references.warm)
    faults = [fault for run in (first, second) for fault in (*run.wait(), *refused(run, case))]
    if first.process.returncode and second.process.returncode:
        faults.append("each refused to go beside the other")
    faults += references.different(case, place)
    return faults + (references.finish(case, place) or references.different(case, place))
