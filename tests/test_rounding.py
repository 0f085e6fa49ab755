from __future__ import annotations

import math

import pytest

from normscope.rounding import fixed
from normscope.wording import gap, percent


def by_hand(count, images, decimals):
    """A share rounded in whole numbers, half of the last decimal up."""
    unit = 10**decimals
    whole = (2 * count * unit + images) // (2 * images)
    return f"{whole // unit}.{whole % unit:0{decimals}d}" if decimals else str(whole)


def test_shares_are_rounded_as_by_hand():
    for images in (40, 200, 1000, 2000):
        for count in range(images + 1):
            for decimals in (1, 2, 3):
                assert fixed(count / images, decimals) == by_hand(count, images, decimals)
            assert fixed(count / images, 0, 100) == by_hand(100 * count, images, 0)


def test_an_accuracy_and_its_share_say_the_same():
    for count in range(20, 198):
        said = float(percent(count / 200).removesuffix(" %"))
        assert 100 * float(gap(count / 200)) == pytest.approx(said)
    assert (gap(0.175), percent(0.175)) == ("0.18", "18 %")


def test_what_is_no_share_stays_as_python_has_it():
    assert fixed(math.inf, 2) == "inf"
    assert fixed(math.nan, 2) == "nan"
    assert fixed(-3e20, 1) == f"{-3e20:.1f}"
    assert fixed(-0.175, 2) == "-0.18"
