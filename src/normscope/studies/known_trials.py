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


class KnownTrials:
    """Trials that are known beforehand: a scan's, and the repeats of a search.

    Args:
        specs: The trials, each once.
        claims: Their slots.
        point: Where a trial lies, for Optuna's own tools; None where it has no place on any axis.
    """

    def __init__(
        self, specs: Sequence[TrialSpec], claims: Claims, point: Point | None = None
    ) -> None:
        self._specs = {slot_of(spec): spec for spec in specs}
        self.total = len(self._specs)
        self._claims = claims
        self._point = point
        self._in_flight: dict[TrialSpec, Claim] = {}

    def claim(self) -> TrialSpec | None:
        """Take the next trial; see ``Work``."""
        while True:
            slot = pick(self._claims.free(self._specs), self._claims.alone)
            if slot is None:
                return None
            spec = self._specs[slot]
            claim = self._claims.take(slot, *(self._point(spec) if self._point else ()))
            if claim is not None:
                self._in_flight[spec] = claim
                return spec

    def finish(self, finished: FinishedTrial) -> None:
        """Keep the trial; see ``Work``."""
        claim = self._in_flight.pop(finished.spec)
        attributes = attributes_of(finished.spec, finished.result)
        self._claims.finish(claim, finished.result.accuracy, attributes, sampled=False)

    def finished(self) -> int:
        """How many are finished; see ``Work``."""
        return self._claims.finished(self._specs)


def slot_of(spec: TrialSpec) -> str:
    """A short name for a trial that is known beforehand: 16 hexadecimal digits of its digest."""
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
