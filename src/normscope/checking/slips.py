"""Whether a mistake shows what its maker meant: the library's constants, spoiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from normscope.auditing.explaining import explain
from normscope.checking.opinions import LIBRARY, done_by
from normscope.detection.candidates import candidates

if TYPE_CHECKING:
    from normscope.checking.in_use import InUse
    from normscope.checking.opinions import Expected


def slipped(in_use: InUse, expected: Expected) -> bool:
    """Whether the constants that a library states are in use, but as no network is trained.

    A library's statement of its own weights is weak evidence of others. Who uses its constants,
    though, takes them for right, so that doing so twice or on pixels of 0..255 is a mistake.

    Args:
        in_use: What the user does.
        expected: What the network expects, by all that is known.

    Returns:
        False too where the library is no witness, or is contradicted.
    """
    applied = in_use.applied
    if applied is None or expected.against or LIBRARY not in expected.sources:
        return False
    if in_use.cause is not None:
        return True
    # Networks are trained in either order of channels, and with red's constants on blue.
    if applied.order != tuple(range(len(applied.order))):
        return False
    if any(done_by(applied, known) for known in candidates(len(applied.mean))):
        return False
    return explain(expected.seen_by(applied), expected.in_network_order, {}) is not None
