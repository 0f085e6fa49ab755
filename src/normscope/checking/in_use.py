"""The normalization under test, as it reaches the network."""

from __future__ import annotations

from dataclasses import dataclass, replace

from normscope.auditing.applied import AppliedNormalization
from normscope.checking.opinions import done_by
from normscope.detection.candidates import Candidate, candidates, orders
from normscope.models.preprocessing.claim import BGR, RGB
from normscope.normalization import Normalization

NORM = "--norm"
"""How what is given by its constants begins to be called."""

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
        factor: What white is where the constants are meant: 1 for pixels of [0, 1].
        unit: What they are of in words, such as `` of pixels divided by 65535``; empty there.
        bytes_taken: Of a pipeline that gives bytes, whether the network takes them as they are; if
            not, something behind it makes floats of them.
    """

    what: str
    applied: AppliedNormalization | None
    cause: str | None = None
    mend: str | None = None
    says: tuple[str, ...] = ()
    factor: float = 1.0
    unit: str = ""
    bytes_taken: bool | None = None

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

    @property
    def candidate(self) -> Candidate | None:
        """Its constants, where they may be expected and are none of the known."""
        applied = self.applied
        if applied is None or not all(std > 0 for std in applied.std):
            return None
        constants = Normalization(applied.mean, applied.std)
        for order in orders(constants.channels):
            red_first = constants if order == RGB else constants.reversed()
            one = Candidate.of(red_first, order)
            if done_by(applied, one):
                known = candidates(constants.channels)
                return None if any(done_by(applied, other) for other in known) else one
        return None

    @property
    def candidates(self) -> list[Candidate]:
        """These, and the same numbers of pixels in [0, 1], of which they may be meant."""
        meant = [self]
        if self.applied is not None and self.factor != 1:
            meant.append(replace(self, applied=self.as_given(self.applied), factor=1.0))
        return [each.candidate for each in meant if each.candidate is not None]

    def of_pixels_to(self, factor: float, unit: str, says: str) -> InUse:
        """The same where its constants are of pixels whose white is not 1.

        Args:
            factor: What it is.
            unit: What they are of, in words.
            says: A sentence on it.

        Returns:
            What it does to pixels of [0, 1].
        """
        if self.applied is None:
            return self
        return replace(
            self,
            applied=self.applied.scaled(1 / factor),
            says=(*self.says, says),
            factor=factor,
            unit=unit,
        )

    def as_given(self, applied: AppliedNormalization) -> AppliedNormalization:
        """What is done to pixels of [0, 1], by constants of the unit in use."""
        return applied if self.factor == 1 else applied.scaled(self.factor)

    def in_unit(self, normalization: Normalization) -> Normalization:
        """Constants of pixels in [0, 1], of the unit in use."""
        if self.factor == 1:
            return normalization
        values = (normalization.mean, normalization.std)
        return Normalization(*([value * self.factor for value in each] for each in values))
