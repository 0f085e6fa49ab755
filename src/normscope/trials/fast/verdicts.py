"""Verdicts of the self-check, each found once for a device and its versions and then kept."""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from normscope.images.cache import cache_folder
from normscope.machine.environment import device_and_versions
from normscope.trials.fast.self_check import why_not
from normscope.writing import write_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from normscope.images.decoded import DecodedSource
    from normscope.trials.fast.stack_plan import StackPlan
    from normscope.trials.spec import TrialSpec

FOLDER = "self-checks"
LARGEST = 2**20
"""Bytes of a file of verdicts; one of ours has a few thousand."""

NOT_ENDED = "the process that checked it did not live to the end of the check."
PASSING = "out of memory"
"""A reason that says something of the moment, not of the device."""

CHECKED_CODE = ("models/stacked", "trials/fast")
"""Where the code lies that is checked; the same version of a checkout may hold other code."""


class Verdicts:
    """What is known of the plans of one device under its versions.

    Args:
        path: Where it is kept.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept = _read(path)

    def why_not(self, plan: StackPlan, spec: TrialSpec, source: DecodedSource) -> str | None:
        """What is wrong with a plan: as it was found before, or else as it is found now.

        A check that takes the process with it counts as failed in the next one.

        Args:
            plan: The plan in question.
            spec: As the self-check takes it.
            source: Likewise.

        Returns:
            The reason; None where the plan agrees.
        """
        name = json.dumps([asdict(plan), _shape(spec, source)], sort_keys=True)
        if name in self._kept:
            return self._kept[name]
        self._keep({**self._kept, name: NOT_ENDED})
        try:
            reason = why_not(plan, spec, source)
        except BaseException:
            self._keep(self._kept)
            raise
        if reason is None or PASSING not in reason:
            self._kept[name] = reason
        self._keep(self._kept)
        return reason

    def _keep(self, verdicts: dict[str, str | None]) -> None:
        with suppress(OSError):  # then it is found again by the next process
            write_text(self._path, json.dumps(verdicts, indent=1) + "\n")


@contextmanager
def opened_verdicts(device: str) -> Iterator[Verdicts]:
    """The verdicts of a device, locked: of two processes one checks and the other waits.

    Args:
        device: ``"cpu"`` or ``"cuda"``.

    Yields:
        The verdicts.
    """
    identity = device_and_versions(device) | {"code": _digest_of_code()}
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:32]
    path = cache_folder() / FOLDER / f"{digest}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_suffix(".lock"))
        lock.acquire()
        lock.release()
    except OSError:  # a cache that may only be read
        lock = nullcontext()
    with lock:
        yield Verdicts(path)


def _shape(spec: TrialSpec, source: DecodedSource) -> list[Any]:
    """What of a trial decides how kernels are run."""
    recipe = spec.recipe
    batch = min(recipe.batch_size, len(source.train))
    images = [*source.image_size, source.channels, len(source.classes)]
    return [spec.precision, spec.threads, recipe.optimizer, batch, images]


def _read(path: Path) -> dict[str, str | None]:
    try:
        with path.open(encoding="utf-8") as file:
            found = json.loads(file.read(LARGEST))
    except (OSError, ValueError, RecursionError):
        return {}
    kept = isinstance(found, dict) and all(isinstance(v, str | None) for v in found.values())
    return found if kept else {}


def _digest_of_code() -> str:
    root = Path(__file__).parents[2]
    files = sorted(file for folder in CHECKED_CODE for file in (root / folder).glob("*.py"))
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()
