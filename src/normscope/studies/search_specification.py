"""What a search is: everything that decides its numbers, as plain data."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from normscope.errors import NormscopeError
from normscope.normalization import Normalization
from normscope.studies.halving import rungs
from normscope.studies.parameters import NORMALIZATION_PARAMETERS, with_values
from normscope.studies.ranges import Range
from normscope.studies.samplers import check_sampler
from normscope.studies.study_file import SCHEMA, WrittenSpecification
from normscope.trials.plain_data import converter, exactly
from normscope.trials.spec import TrialSpec
from normscope.wording import check_at_least

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class SearchSpec(WrittenSpecification):
    """A search over some numbers of a trial, the rest of it fixed.

    Attributes:
        trial: What every trial shares; its seed is the one of the search's own trials.
        data: The source's own statistics.
        over: What is varied, by name.
        sampler: Who chooses, in ``SAMPLERS``.
        trials: How many trials are wanted.
        replicates: How many fresh seeds the best configurations are repeated with.
        halving: Whether poor trials are stopped early.

    Raises:
        NormscopeError: If a bound is not possible, a number is out of range, or trials are too
            short to be stopped early.
    """

    kind: ClassVar[str] = "search"
    run_only: ClassVar[tuple[str, ...]] = ("trials", "replicates")

    trial: TrialSpec
    data: Normalization
    over: tuple[Range, ...]
    sampler: str
    trials: int
    replicates: int
    halving: bool = False

    def __post_init__(self) -> None:
        check_sampler(self.sampler, len(self.over))
        check_at_least(1, self.trials, "--trials")
        check_at_least(0, self.replicates, "--replicates")
        for bound in ("low", "high"):
            longest = self.trial_at({range_.name: getattr(range_, bound) for range_ in self.over})
        if not self.trial.recipe.trains:
            self._check_frozen()
        if self.halving and not rungs(longest.recipe.epochs):
            raise NormscopeError(
                "--halving must have trials of at least 2 epochs to stop early, "
                f"got {longest.recipe.epochs}. Leave it out, or give more --epochs."
            )

    def _check_frozen(self) -> None:
        idle = [r.name for r in self.over if r.name not in NORMALIZATION_PARAMETERS]
        if self.halving or idle:
            raise NormscopeError(
                f"--recipe {self.trial.recipe.name} trains nothing, so only means and stds can be "
                f"searched, to the end, got {'--halving' if self.halving else idle[0]}. "
                "Leave it out, or choose another --recipe."
            )

    @property
    def chosen_on(self) -> str:
        """The split that the search looks at: ``"validation"``, or ``"test"`` without one."""
        return self.trial.recipe.selection

    def trial_at(self, values: Mapping[str, float], seed: int | None = None) -> TrialSpec:
        """The trial at some values.

        Args:
            values: Numbers by name, of the parameters in ``over``.
            seed: In place of the search's own.

        Returns:
            The trial's full specification.
        """
        changed = with_values(self.trial, values)
        return changed if seed is None else dataclasses.replace(changed, seed=seed)

    def to_json(self) -> dict[str, Any]:
        """Every field as JSON and TOML have it; what is None is left out.

        Returns:
            A mapping that ``from_json`` reads back.
        """
        return {
            "schema": SCHEMA,
            "kind": self.kind,
            "over": [str(range_) for range_ in self.over],
            "sampler": self.sampler,
            "trials": self.trials,
            "replicates": self.replicates,
            "chosen_on": self.chosen_on,
            **({"halving": True} if self.halving else {}),
            "data": str(self.data),
            "trial": {k: v for k, v in self.trial.to_json().items() if v is not None},
        }

    @classmethod
    def _from_fields(cls, fields: dict[str, Any]) -> SearchSpec:
        if fields.pop("chosen_on", None) is None:
            raise NormscopeError(
                "a search's specification must name what it chose on, got one of an older "
                "normscope, which chose on test. Choose another --out, or use that normscope."
            )
        return converter.structure(fields, cls)


converter.register_structure_hook(Range, lambda text, _: Range.parse(exactly(str, text)))
