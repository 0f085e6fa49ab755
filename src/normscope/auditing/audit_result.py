"""What an audit found, in numbers and words, as plain data that needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from normscope.arguments import for_caller
from normscope.auditing.audit_numbers import AuditNumbers
from normscope.auditing.audit_table import audit_table
from normscope.auditing.sentences import answer, sentences, verdict
from normscope.notebook_html import HtmlTable, notebook_html


@dataclass(frozen=True)
class Audit(AuditNumbers):
    """What each usual mistake costs a network; the attributes are those of ``AuditNumbers``."""

    @property
    def sentences(self) -> list[str]:
        """What was found, in words."""
        return [for_caller(sentence) for sentence in sentences(self)]

    @property
    def left_out(self) -> list[str]:
        """Which mistakes have no price, and why."""
        left_out = [m for m in self.mistakes if m.cost is None]
        return [f"{m.name} is not tested: {for_caller(m.reason or '')}." for m in left_out]

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.sentences[0]}>"

    def _repr_html_(self) -> str:
        first, *others = self.sentences
        return notebook_html(
            first,
            [*others, *self.left_out],
            HtmlTable(*audit_table(self)),
            HtmlTable(("skipped", "why"), [image.texts for image in self.skipped], words=True),
        )

    def to_json(self) -> dict[str, Any]:
        """Every field by name."""
        return {
            "model": self.model,
            "verdict": verdict(self),
            "answer": for_caller(answer(self)),
            "source": self.source,
            "images": self.images,
            "classes": self.classes,
            "most_frequent": self.most_frequent,
            "preparation": self.preparation,
            "reference": self.reference.to_json(),
            "mistakes": [mistake.to_json() for mistake in self.mistakes],
            "pipeline": None if self.tested is None else self.tested.to_json(),
            "skipped": [image.texts for image in self.skipped],
            "options": self.options,
            "settings": self.settings,
            "seconds": self.seconds,
        }
