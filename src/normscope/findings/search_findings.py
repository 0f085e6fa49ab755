"""What a search says, as one value: numbers, a word, a sentence and its reasons."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from normscope.notebook_html import HtmlTable, notebook_html
from normscope.studies.study_file import SCHEMA
from normscope.wording import counted, level, span

if TYPE_CHECKING:
    from normscope.findings.good_configurations import GoodConfigurations

SearchVerdict = Literal["yes", "no", "unsettled"]


@dataclass(frozen=True)
class SearchSummary:
    """What a search says.

    Attributes:
        trials: Finished trials of the search itself.
        wanted: How many are wanted.
        sampler: Who chose them.
        diverged: Trials whose training diverged, finished or stopped.
        failed: Trials that never learned: they diverged, died or never left chance. Of results
            that do not say what became of them, those that diverged.
        stopped_early: Trials that successive halving stopped, which are not among the finished.
        chosen_on: The split whose accuracy is the ``score`` that choices look at: ``validation``,
            or ``test`` where no images are held back. Every ``accuracy`` is on test.
        best: The best single trial: ``values``, ``score``, ``accuracy``, ``number``. Its score is a
            maximum of noise.
        honest_best: The configuration that is best by fresh seeds: ``values``, mean ``accuracy``
            with ``se`` and 95 % ``interval``, ``score`` with ``score_se`` and ``score_interval``,
            both corrected for the choice, and ``seeds``; ``optimism``, by how much the score of
            ``best`` promised more than fresh seeds give its values; and ``leave_one_out``, the
            ``accuracy`` and ``score`` that each seed gives what the others choose, on average.
            None without replicates.
        repeated: Each repeated configuration: ``values``, its ``optimistic`` score in the search,
            the mean ``accuracy`` of fresh seeds with its ``se`` and 95 % ``interval``, and how many
            of the ``seeds`` ``failed``.
        references: What nobody had to search for, with the same fresh seeds, by name; likewise,
            with the ``difference`` of the honest best and its ``difference_interval``.
        good: Where the best tenth of the trials lie.
        importance: The share of each parameter in being good; None where it cannot be told.
        frozen: Whether nothing was trained.
        all_equal: Whether all trials have the same score.
        margin: The largest difference of accuracy that does not matter.
        verdict: ``yes`` where the search beats every reference, ``no`` where one of them loses
            nothing that matters, else ``unsettled``.
        decided_by: The reference that the verdict is about; None where none has fresh seeds.
        settle: What the same search needs in order to tell: ``trials`` and ``replicates``.
        answer: The verdict in a sentence, which says what to do.
        reasons: Why, in at most five.
    """

    trials: int
    wanted: int
    sampler: str
    diverged: int
    failed: int
    stopped_early: int
    chosen_on: str
    best: dict[str, Any]
    honest_best: dict[str, Any] | None
    repeated: list[dict[str, Any]]
    references: dict[str, dict[str, Any]]
    good: GoodConfigurations
    importance: dict[str, float] | None
    frozen: bool
    all_equal: bool
    margin: float
    verdict: SearchVerdict
    decided_by: str | None
    settle: dict[str, int] | None = None
    answer: str = ""
    reasons: tuple[str, ...] = ()

    @property
    def done(self) -> int:
        """How many trials have ended, stopped ones among them."""
        return self.trials + self.stopped_early

    @property
    def sentence(self) -> str:
        """The answer and its reasons."""
        return " ".join([self.answer, *self.reasons])

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.answer} {self.done} of {self.wanted} trials>"

    def _repr_html_(self) -> str:
        rows = self.repeated or [{**self.best, "interval": None}]
        names = list(self.best["values"])
        shown = [
            [str(place), *(f"{row['values'][name]:.4g}" for name in names), with_interval(row)]
            for place, row in enumerate(rows, 1)
        ]
        shown += [[k, *[""] * len(names), with_interval(v)] for k, v in self.references.items()]
        tested = "accuracy on test, fresh seeds (95 %)" if self.repeated else "accuracy on test"
        done = f"{self.done} of {counted(self.wanted, 'trial')}."
        table = HtmlTable(["", *names, tested], shown)
        return notebook_html(self.answer, [*self.reasons, done], table)

    def to_json(self) -> dict[str, Any]:
        """Every field by name, with the schema's version.

        Returns:
            What ``summary.json`` holds.
        """
        return {
            "schema": SCHEMA,
            "kind": "search",
            **vars(self),
            "good": asdict(self.good),
            "reasons": list(self.reasons),
            "sentence": self.sentence,
        }


def with_interval(row: dict[str, Any]) -> str:
    """The accuracy of a configuration, with its interval where it has one."""
    around = "" if row["interval"] is None else f" ({span(row['interval'])})"
    return level(row["accuracy"]) + around
