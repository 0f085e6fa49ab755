"""A search's own trials as work to drive, and which of them are worth repeating."""

from __future__ import annotations

import dataclasses
from collections import defaultdict, deque
from typing import TYPE_CHECKING

from optuna.trial import TrialState

from normscope.normalization import HALF
from normscope.studies.halving import SuccessiveHalving, at_rung, rungs
from normscope.studies.known_trials import pick
from normscope.studies.parameters import NORMALIZATION_PARAMETERS
from normscope.studies.samplers import make_sampler
from normscope.studies.stored_trial import attributes_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from normscope.studies.search_specification import SearchSpec
    from normscope.studies.search_study import SearchTrial
    from normscope.studies.slot_claims import Claim, Claims
    from normscope.trials.result import FinishedTrial
    from normscope.trials.spec import TrialSpec

BEST_CONFIGURATIONS = 5
"""How many of the best are repeated: the very best of a search was lucky, its neighbours less."""


class Choosing:
    """The search's own trials.

    Args:
        specification: The search.
        claims: Its slots.
    """

    def __init__(self, specification: SearchSpec, claims: Claims) -> None:
        self.total = specification.trials
        self._specification = specification
        self._claims = claims
        self._slots = [str(i) for i in range(specification.trials)]
        self._distributions = {r.name: r.distribution() for r in specification.over}
        # A search over whole numbers may have equal trials in flight.
        self._in_flight: defaultdict[TrialSpec, list[Claim]] = defaultdict(list)
        self._going_on: deque[TrialSpec] = deque()
        if specification.halving:
            claims.study.pruner = SuccessiveHalving()

    def claim(self) -> TrialSpec | None:
        """Go on with a trial, ask the sampler for one, or take up one of a dead process."""
        if self._going_on:
            return self._going_on.popleft()
        specification, claims = self._specification, self._claims
        slot, claim = None, None
        while claim is None:
            slot = pick(claims.free(self._slots), claims.alone)
            if slot is None:
                return None
            before = claims.last_params(slot, self._distributions)
            claims.study.sampler = make_sampler(
                specification.sampler, specification.trial.seed, int(slot)
            )
            claim = claims.take(slot, before, self._distributions if before else None)
        values = {range_.name: range_.suggest(claim.trial) for range_ in specification.over}
        first, *_ = self._stages(specification.trial_at(values))
        self._in_flight[first].append(claim)
        return first

    def finish(self, finished: FinishedTrial) -> None:
        """Tell the sampler and keep the trial, or go on with it where it is promising."""
        claim = self._in_flight[finished.spec].pop()
        reached = finished.spec.recipe.epochs
        later = self._later_stage(claim, reached) if self._specification.halving else None
        if later is None:
            self._keep(claim, finished, TrialState.COMPLETE)
        elif finished.result.diverged or self._claims.stops(claim, reached, finished.score):
            self._keep(claim, finished, TrialState.PRUNED)
        else:
            self._in_flight[later].append(claim)
            self._going_on.append(later)

    def _keep(self, claim: Claim, finished: FinishedTrial, state: TrialState) -> None:
        attributes = attributes_of(finished.spec, finished.result)
        self._claims.finish(claim, finished.score, attributes, state)

    def _stages(self, whole: TrialSpec) -> list[TrialSpec]:
        if not self._specification.halving:
            return [whole]
        return [*(at_rung(whole, epochs) for epochs in rungs(whole.recipe.epochs)), whole]

    def _later_stage(self, claim: Claim, reached: int) -> TrialSpec | None:
        whole = self._specification.trial_at(claim.trial.params)
        return next((s for s in self._stages(whole) if s.recipe.epochs > reached), None)

    def finished(self) -> int:
        """How many are finished; see ``Work``."""
        return self._claims.finished(self._slots)


def best_configurations(trials: Sequence[SearchTrial]) -> list[SearchTrial]:
    """The trials that are worth repeating.

    Args:
        trials: A search's finished ones.

    Returns:
        The best by their scores, of different values, the very best first; of equal ones the
        earlier.
    """
    ranked = sorted(trials, key=lambda trial: (-trial.score, trial.number))
    different = {tuple(sorted(trial.values.items())): trial for trial in reversed(ranked)}
    best = sorted(different.values(), key=lambda trial: (-trial.score, trial.number))
    return best[:BEST_CONFIGURATIONS]


def references(specification: SearchSpec) -> dict[str, TrialSpec]:
    """What the best is compared with: trials that nobody had to search for.

    Returns:
        By name: ``data`` and ``half`` where a normalization is searched (the source's own
        statistics, and 0.5/0.5), else ``default``, where nothing is changed but what ``--at`` says.
    """
    if not any(range_.name in NORMALIZATION_PARAMETERS for range_ in specification.over):
        return {"default": specification.trial}
    return {
        name: dataclasses.replace(specification.trial, normalization=normalization)
        for name, normalization in (("data", specification.data), ("half", HALF))
    }


def repeated(specification: SearchSpec, trials: Sequence[SearchTrial]) -> list[TrialSpec]:
    """Every trial of the second half: the best and the references with fresh seeds."""
    # Built anew from the values: what else a shared database says of a trial, such as its model,
    # must not choose what runs here.
    bases = [specification.trial_at(trial.values) for trial in best_configurations(trials)]
    bases += references(specification).values()
    return [
        fresh(spec, replicate)
        for replicate in range(specification.replicates)
        for spec in dict.fromkeys(bases)
    ]


def fresh(spec: TrialSpec, replicate: int) -> TrialSpec:
    """The trial with a seed that the search has not used: its own, 1 and the replicate added."""
    return dataclasses.replace(spec, seed=spec.seed + 1 + replicate)
