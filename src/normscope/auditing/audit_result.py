"""What an audit found, in numbers and words, as plain data that needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from normscope.auditing.audit_numbers import AuditNumbers
from normscope.auditing.sentences import answer, sentences, verdict


@dataclass(frozen=True)
class Audit(AuditNumbers):
    """What each usual mistake costs a network; the attributes are those of ``AuditNumbers``."""

    @property
    def sentences(self) -> list[str]:
        """What was found, in words."""
        return sentences(self)

    def to_json(self) -> dict[str, Any]:
        """Every field by name."""
        return {
            "model": self.model,
            "verdict": verdict(self),
            "answer": answer(self),
            "source": self.source,
            "images": self.images,
            "classes": self.classes,
            "most_frequent": self.most_frequent,
            "preparation": self.preparation,
            "reference": self.reference.to_json(),
            "mistakes": [mistake.to_json() for mistake in self.mistakes],
            "pipeline": None if self.tested is None else self.tested.to_json(),
            "skipped": [[str(image.path), image.reason] for image in self.skipped],
            "options": self.options,
            "settings": self.settings,
            "seconds": self.seconds,
        }
