"""Trials that are known beforehand as work to drive, each done exactly once."""

from __future__ import annotations

import hashlib
import random
from typing import TYPE_CHECKING, Any

from normscope.studies.stored_trial import attributes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from optuna.distributions import BaseDistribution

    from normscope.studies.slot_claims import Claim, Claims
    from normscope.trials.result import FinishedTrial
    from normscope.trials.spec import TrialSpec

    Point = Callable[[TrialSpec], tuple[Mapping[str, Any], Mapping[str, BaseDistribution]]]


def nowhere(_spec: TrialSpec) -> tuple[dict[str, Any], dict[str, BaseDistribution]]:
    """The point of a trial that has none on its study's axes.

    Returns:
        No parameters, and no distributions.
    """
    return {}, {}


class KnownTrials:
    """Trials that are known beforehand: a scan's, and the repeats of a search.

    Args:
        specs: The trials, each once.
        claims: Their slots.
        point: Where a trial lies, for Optuna's own tools.
    """

    def __init__(self, specs: Sequence[TrialSpec], claims: Claims, point: Point = nowhere) -> None:
        self._specs = {slot_of(spec): spec for spec in specs}
        self.total = len(self._specs)
        self._claims = claims
        self._point = point
        self._in_flight = InFlight()

    def claim(self) -> TrialSpec | None:
        """Take the next trial.

        Returns:
            The trial, or None.
        """
        while True:
            slot = pick(self._claims.free(self._specs), self._claims.alone)
            if slot is None:
                return None
            claim = self._claims.take(slot, *self._point(self._specs[slot]))
            if claim is not None:
                self._in_flight.add(self._specs[slot], claim)
                return self._specs[slot]

    def finish(self, finished: FinishedTrial) -> None:
        """Keep the trial.

        Args:
            finished: The trial with its result.
        """
        claim = self._in_flight.pop(finished.spec)
        attributes = attributes_of(finished.spec, finished.result)
        self._claims.finish(claim, finished.result.accuracy, attributes, sampled=False)

    def finished(self) -> int:
        """How many are finished.

        Returns:
            At most ``total``.
        """
        return self._claims.finished(self._specs)


class InFlight:
    """Claims by trial; a search over whole numbers may have equal trials in flight."""

    def __init__(self) -> None:
        self._claims: dict[TrialSpec, list[Claim]] = {}

    def add(self, spec: TrialSpec, claim: Claim) -> None:
        """Remember whose a running trial is.

        Args:
            spec: The trial.
            claim: Its slot's.
        """
        self._claims.setdefault(spec, []).append(claim)

    def pop(self, spec: TrialSpec) -> Claim:
        """Whose a trial was that has finished.

        Args:
            spec: The trial.

        Returns:
            Its claim.
        """
        return self._claims[spec].pop()


def slot_of(spec: TrialSpec) -> str:
    """A short name for a trial that is known beforehand.

    Args:
        spec: The trial.

    Returns:
        Sixteen hexadecimal digits of its digest.
    """
    return hashlib.sha256(spec.key().encode()).hexdigest()[:16]


def pick(free: Sequence[str], alone: bool) -> str | None:
    """One of the free slots.

    Args:
        free: Their names.
        alone: Whether no other process can work on the study.

    Returns:
        The first, or any where others could take the first as well; None where none is free.
    """
    # Processes that all took the first one would get in each other's way.
    if not free:
        return None
    return free[0] if alone else random.choice(free)  # noqa: S311 - no secret
