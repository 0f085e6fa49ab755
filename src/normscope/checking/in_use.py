"""The normalization under test, as it reaches the network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from normscope.auditing.applied import AppliedNormalization
from normscope.models.preprocessing.claim import BGR, RGB

if TYPE_CHECKING:
    from normscope.normalization import Normalization

OWN = "what the model's own configuration states"
"""What is under test where nobody says what is used."""


@dataclass(frozen=True)
class InUse:
    """What the user does.

    Attributes:
        what: What it is called, such as ``--norm half``.
        applied: What it does to pixels of [0, 1]; None where that cannot be told.
        cause: What is wrong with it for a reason of its own, such as bits that are not used.
        mend: What to do about that.
        says: Sentences on what it does.
    """

    what: str
    applied: AppliedNormalization | None
    cause: str | None = None
    mend: str | None = None
    says: tuple[str, ...] = ()

    @classmethod
    def stated(
        cls, what: str, normalization: Normalization, order: str = RGB, says: tuple[str, ...] = ()
    ) -> InUse:
        """A normalization that is given by its constants.

        Args:
            what: What it is called.
            normalization: One value per channel, red first.
            order: In which channels are handed over.
            says: Sentences on it.

        Returns:
            What it does.
        """
        applied = AppliedNormalization.of(normalization, blue_first=order == BGR)
        return cls(what, applied, says=says)

    def of_unused_bits(self, factor: float, cause: str | None, mend: str | None) -> InUse:
        """The same where pixels reach it too dark.

        Args:
            factor: What they are multiplied with before.
            cause: Why; None where that is right.
            mend: What to do about it.

        Returns:
            What it does to the whole pixels.
        """
        if self.applied is None:
            return self
        applied = replace(
            self.applied,
            mean=tuple(value / factor for value in self.applied.mean),
            std=tuple(value / factor for value in self.applied.std),
        )
        return replace(self, applied=applied, cause=cause, mend=mend)
