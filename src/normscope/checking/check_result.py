"""What a check found, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from normscope.arguments import for_caller
from normscope.notebook_html import HtmlTable, notebook_html

if TYPE_CHECKING:
    from normscope.checking.opinions import Expected
    from normscope.checking.price import Price
    from normscope.checking.verdict import Verdict, Word
    from normscope.images.decoded import Skipped


@dataclass(frozen=True)
class Evidence:
    """One line below the answer.

    Attributes:
        source: Where it comes from.
        says: A sentence.
        confidence: How sure it is, where it says what is expected.
    """

    source: str
    says: str
    confidence: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Every field by name."""
        return dict(vars(self))


@dataclass(frozen=True, repr=False)
class Check:
    """Whether a normalization is right.

    Attributes:
        model: What the network is called.
        source: The images.
        images: How many were used.
        answer: The verdict.
        expected: What the network expects, where that is known.
        price: What the network loses, where that was measured.
        evidence: The strongest first.
        skipped: Images that could not be used.
        options: What the user asked for, by the names of the options.
        seconds: How long it took.
    """

    model: str
    source: str
    images: int
    answer: Verdict
    expected: Expected | None
    price: Price | None
    evidence: tuple[Evidence, ...]
    skipped: tuple[Skipped, ...]
    options: dict[str, Any]
    seconds: float

    @property
    def verdict(self) -> Word:
        """``right``, ``wrong`` or ``cannot tell``."""
        return self.answer.word

    @property
    def sentence(self) -> str:
        """The answer in words."""
        return for_caller(self.answer.sentence)

    @property
    def right(self) -> bool:
        """Whether it is surely right, for an ``assert``."""
        return self.verdict == "right"

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.sentence}>"

    def _repr_html_(self) -> str:
        rows = [[line.source, line.says] for line in self.evidence]
        return notebook_html(
            self.sentence,
            [],
            HtmlTable(("evidence", "what it says"), rows, words=True),
            HtmlTable(("skipped", "why"), [image.texts for image in self.skipped], words=True),
        )

    def to_json(self) -> dict[str, Any]:
        """What ``--json`` holds."""
        price = self.price
        return {
            "verdict": self.verdict,
            "sentence": self.sentence,
            "is": self.answer.wrong,
            "use": self.answer.use,
            "lost": None if price is None else price.lost,
            "lost_interval": None if price is None else list(price.interval),
            "lost_of": None if price is None else ("accuracy" if price.labelled else "answers"),
            "expected": None if self.expected is None else self.expected.to_json(),
            "evidence": [line.to_json() for line in self.evidence],
            "model": self.model,
            "source": self.source,
            "images": self.images,
            "skipped": [image.texts for image in self.skipped],
            "options": self.options,
            "seconds": self.seconds,
        }
