"""Right, wrong, or cannot tell: from what a network expects and what it is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from normscope.auditing.applied import SQUASHED
from normscope.checking.in_use import NORM, OWN
from normscope.checking.naming import (
    called,
    candidate_called,
    described,
    mistake,
    numbers,
    text,
    usable,
)
from normscope.checking.opinions import (
    ANSWERS,
    LIBRARY,
    LIKELY,
    REFUTED,
    SURE,
    done_by,
    known_roughly,
)
from normscope.checking.slips import slipped
from normscope.detection.detection_result import confidence_text
from normscope.detection.label_evidence import MOST_NAMED
from normscope.wording import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from normscope.auditing.applied import AppliedNormalization
    from normscope.checking.in_use import InUse
    from normscope.checking.opinions import Expected, LeftOpen, Opinion
    from normscope.checking.price import Price

Word = Literal["right", "wrong", "cannot tell"]


@dataclass(frozen=True)
class Verdict:
    """The answer.

    Attributes:
        word: ``right``, ``wrong`` or ``cannot tell``.
        sentence: The answer in words, which starts with it.
        wrong: What is really done, where it is wrong.
        use: What to use, a name or ``MEAN/STD``, where it is known.
    """

    word: Word
    sentence: str
    wrong: str | None = None
    use: str | None = None

    @classmethod
    def cannot_tell(cls, why: str, use: str | None = None) -> Verdict:
        """The answer where nothing can be told, with why and what would help."""
        return cls("cannot tell", f"Cannot tell: {why}.", use=use)


def judged(
    model: str,
    expected: Expected | None,
    in_use: InUse | None,
    price: Price | None,
    missing: str,
    opinions: Sequence[Opinion] = (),
) -> Verdict:
    """The verdict.

    Args:
        model: What the network is called.
        expected: What it expects, if anything is known of it.
        in_use: What is under test, if anything is.
        price: What that costs, where it was measured.
        missing: What would tell, such as ``labels (--labels)``.
        opinions: Which may surely speak against what is under test; where they do not say what it
            expects, the price is against the constants that fit BatchNorms best.

    Returns:
        The answer, in words too.
    """
    refuted = any(opinion.refutes > REFUTED for opinion in opinions)
    if expected is None:
        roughly = known_roughly(opinions)
        if roughly is not None and in_use is not None and in_use.applied is not None:
            return _known_roughly(model, in_use, price, roughly, missing)
        # What is under test is no witness for itself.
        own = in_use is not None and in_use.what == OWN
        nothing = f"nothing else says whether {model} expects {OWN}"
        return Verdict.cannot_tell(
            f"{nothing if own else f'nothing says what {model} expects'}. Give {missing}"
        )
    use = usable(expected, in_use)
    if in_use is None:
        return Verdict.cannot_tell(
            "what you use is missing (--norm, --pipeline or --processor). "
            f"{_expects(model, expected)}{_also(expected)}",
            use if expected.confidence > SURE else None,
        )
    if in_use.applied is None:
        return Verdict.cannot_tell(
            f"{in_use.what} shows other parts of the images than expected, or changes them so much "
            f"that its constants cannot be read off. {_expects(model, expected)}: give "
            "--resize and --crop as the pipeline has them",
            use if expected.confidence > SURE else None,
        )
    seen = expected.seen_by(in_use.applied)
    differs = seen.differs(expected.in_network_order)
    better = _does_better(price)
    if not differs and _enough_to_agree(expected):
        return Verdict("right", _right(model, expected, in_use, price), use=use)
    if in_use.bytes_taken is False:
        return Verdict.cannot_tell(_of_bytes(model, expected, in_use, price), use)
    slip = differs and slipped(in_use, expected)
    worse = refuted or (price is not None and price.labelled and price.surely)
    if better or (expected.confidence <= SURE and not slip and not worse):
        return Verdict.cannot_tell(_contradictory(model, expected, in_use, price, missing))
    if not _ruled_out(expected.left_open, in_use.applied, price):
        return Verdict.cannot_tell(_open(model, expected, in_use, price, missing))
    found, mend, use = mistake(in_use, seen, expected)
    costs = _costs(price, model)
    return Verdict("wrong", f"Wrong: {found}{costs}; {mend}{_also(expected, in_use)}.", found, use)


def _of_bytes(model: str, expected: Expected, in_use: InUse, price: Price | None) -> str:
    """Why nothing is known of bytes that a network does not take."""
    costs = "" if price is None else f", which {price.in_words}"
    return (
        f"{in_use.what} gives bytes, which {model} does not take, so that something behind it "
        "makes floats of them and may normalize them, as on the GPU: give one function that does "
        f"both as --pipeline. {_expects(model, expected, in_use)}; if nothing normalizes the "
        f"bytes, that is wrong{costs}"
    )


def _costs(price: Price | None, model: str) -> str:
    """What is lost by what is wrong; that it is wrong all the same where nothing is seen to be."""
    if price is None:
        return ""
    if price.none_seen is None:
        return f", which {price.in_words}"
    return f". {price.none_seen}, but {model} expects something else"


def _known_roughly(
    model: str, in_use: InUse, price: Price | None, roughly: Opinion, missing: str
) -> Verdict:
    """Where it may be known what was not used, and only roughly what was."""
    fits = f"{numbers(roughly, in_use)} fits its BatchNorms best"
    if price is None:
        return Verdict.cannot_tell(
            f"{fits}, as {in_use.what} gives it, but is not sure. Give {missing}"
        )
    against = f"against which {in_use.what} {price.in_words}"
    found = f"{model} was not trained with {in_use.what}"
    sure = f"confidence {confidence_text(roughly.refutes)}"
    if roughly.refutes <= REFUTED:
        return Verdict.cannot_tell(f"{fits}, {against}, but that is not sure. Give {missing}")
    if not price.surely:
        return Verdict.cannot_tell(
            f"{found} ({sure}), and what it was trained with is known only roughly: {fits}, "
            f"{against}. Give {missing}"
        )
    said = f"Wrong: {found} ({sure}): {fits}, {against}; use the constants of its training."
    return Verdict("wrong", said, found)


def _ruled_out(
    left_open: LeftOpen | None, applied: AppliedNormalization, price: Price | None
) -> bool:
    """Whether what is used is surely none of what is left open."""
    if left_open is None:
        return True
    if any(done_by(applied, candidate) for candidate in left_open.worse):
        return True
    # What nobody tried may be as good as those that were.
    return price is not None and price.labelled and price.interval[0] > 0


def _expects(model: str, expected: Expected, in_use: InUse | None = None) -> str:
    surely = "" if expected.confidence > SURE else "probably "
    return f"{model} {surely}expects {text(expected, in_use)}"


def _also(expected: Expected, in_use: InUse | None = None) -> str:
    """What else it may be, as a sentence more."""
    if expected.left_open is None:
        return ""
    names = [candidate_called(candidate, in_use) for candidate in expected.left_open.alike]
    return (
        f". The {listed(expected.sources)} do not tell {listed(names, most=MOST_NAMED)} from "
        f"{called(expected, in_use)}"
    )


def _open(model: str, expected: Expected, in_use: InUse, price: Price | None, missing: str) -> str:
    """Why what is used is neither right nor wrong, where several are left open."""
    assert expected.left_open is not None
    alike = expected.left_open.alike
    name = called(expected, in_use)
    names = listed([name, *(candidate_called(c, in_use) for c in alike)], most=MOST_NAMED)
    by = listed(expected.sources)
    assert in_use.applied is not None
    differs = expected.seen_by(in_use.applied).differs(expected.in_network_order)
    against = f"; against {name}, the likeliest, it "
    costs = f"{against}{price.in_words}" if price is not None and differs else ""
    if not differs or any(done_by(in_use.applied, candidate) for candidate in alike):
        said = f"the {by} do not tell {names} apart, and {in_use.what} is one of them"
    else:
        said = (
            f"by the {by} {model} expects one of {names}, and they do not show that {in_use.what} "
            "is worse"
        )
    return f"{said}{costs}. Give {missing}"


def _enough_to_agree(expected: Expected) -> bool:
    if expected.left_open is not None and expected.left_open.alone <= LIKELY:
        return False
    weak = set(expected.named_by) <= {ANSWERS, LIBRARY}
    return expected.confidence > (SURE if weak else LIKELY)


def _right(model: str, expected: Expected, in_use: InUse, price: Price | None) -> str:
    right = text(expected, in_use)
    # Long rows of numbers are not said twice.
    twice = "/" in in_use.what and in_use.what.removeprefix(f"{NORM} ") in right
    said = f"Right. {model} expects {right}, and {NORM if twice else in_use.what} gives it"
    if in_use.applied is None or in_use.applied.shows != SQUASHED:
        return f"{said}{_also(expected, in_use)}."
    costs = "" if price is None else f", which {price.in_words}"
    return f"{said}, but squashes the images to other proportions{costs}{_also(expected, in_use)}."


def _contradictory(
    model: str, expected: Expected, in_use: InUse, price: Price | None, missing: str
) -> str:
    if _does_better(price):
        return (
            f"{model} should expect {text(expected, in_use)}, and it does better with "
            f"{in_use.what} on these labels. Check the labels and the order of the classes"
        )
    if expected.against:
        other = expected.against[0]
        return (
            f"the {expected.opinion.source} and the {other.source} contradict each other (see "
            f"below). Give {missing}"
        )
    probably = _expects(model, expected, in_use)
    if LIBRARY in expected.sources and in_use.applied is not None:
        seen = expected.seen_by(in_use.applied)
        if not seen.differs(expected.in_network_order):
            then = f"{in_use.what} gives it"
        else:
            then = described(in_use, seen, expected)
            then += "" if price is None else f", which {price.in_words}"
        return (
            f"{probably}, as its library's own weights do, but nothing shows that these are the "
            f"same. If they do too, {then}. Give {missing}"
        )
    costs = "" if price is None else f"; against that, {in_use.what} {price.in_words}"
    return (
        f"{probably}, with confidence {expected.confidence:.2f}, which is not enough{costs}. "
        f"Give {missing}"
    )


def _does_better(price: Price | None) -> bool:
    return price is not None and price.labelled and price.interval[1] < 0
