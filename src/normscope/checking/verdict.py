"""Right, wrong, or cannot tell: from what a network expects and what it is given."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from normscope.auditing.applied import SQUASHED
from normscope.auditing.explaining import SCALED, explain
from normscope.auditing.mistakes import named_order
from normscope.checking.in_use import NORM, OWN
from normscope.checking.opinions import ANSWERS, LIBRARY, LIKELY, REFUTED, done_by, known_roughly
from normscope.checking.slips import slipped
from normscope.detection.candidates import KNOWN, Candidate
from normscope.detection.detection_result import confidence_text
from normscope.detection.label_evidence import MOST_NAMED
from normscope.models.preprocessing.claim import BGR
from normscope.normalization import PRESETS
from normscope.wording import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from normscope.auditing.applied import AppliedNormalization
    from normscope.checking.in_use import InUse
    from normscope.checking.opinions import Expected, LeftOpen, Opinion
    from normscope.checking.price import Price
    from normscope.normalization import Normalization

Word = Literal["right", "wrong", "cannot tell"]

SURE = 0.8
"""From this confidence on what is expected is held against what is used."""

ORDER_ALONE = {"images are BGR for RGB", "images are RGB for BGR"}


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
        if roughly is not None and in_use is not None and price is not None:
            return _known_roughly(model, in_use, price, roughly, missing)
        # What is under test is no witness for itself.
        own = in_use is not None and in_use.what == OWN
        nothing = f"nothing else says whether {model} expects {OWN}"
        return _cannot_tell(
            f"{nothing if own else f'nothing says what {model} expects'}. Give {missing}"
        )
    use = usable(expected)
    if in_use is None:
        return _cannot_tell(
            "what you use is missing (--norm, --pipeline or --processor). "
            f"{_expects(model, expected)}{_also(expected)}",
            use if expected.confidence > SURE else None,
        )
    if in_use.applied is None:
        return _cannot_tell(
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
    slip = differs and slipped(in_use, expected)
    worse = refuted or (price is not None and price.labelled and price.surely)
    if better or (expected.confidence <= SURE and not slip and not worse):
        return _cannot_tell(_contradictory(model, expected, in_use, price, missing))
    if not _ruled_out(expected.left_open, in_use.applied, price):
        return _cannot_tell(_open(model, expected, in_use, price, missing))
    found = described(in_use, seen, expected)
    turn = "turn the channels round and keep the constants" if found in ORDER_ALONE else None
    probably = "" if expected.confidence > SURE else "what it was trained with, probably "
    mend = in_use.mend or turn or f"use {probably}{_text(expected)}"
    costs = "" if price is None else f", which {price.in_words}"
    also = _also(expected)
    return Verdict("wrong", f"Wrong: {found}{costs}; {mend}{also}.", found, use)


def _known_roughly(
    model: str, in_use: InUse, price: Price, roughly: Opinion, missing: str
) -> Verdict:
    """Where it may be known what was not used, and only roughly what was."""
    assert roughly.normalization is not None
    about = Candidate.of(roughly.normalization, roughly.order).name
    fits = f"about {about} fits its BatchNorms best"
    against = f"against which {in_use.what} {price.in_words}"
    if roughly.refutes <= REFUTED or not price.surely:
        return _cannot_tell(f"{fits}, {against}, but that is not sure. Give {missing}")
    found = f"{model} was not trained with {in_use.what}"
    sure = f"confidence {confidence_text(roughly.refutes)}"
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


def described(in_use: InUse, seen: AppliedNormalization, expected: Expected) -> str:
    """What is done in place of what is expected, in a few words.

    Args:
        in_use: What is done.
        seen: The same in the network's order of channels.
        expected: What should be done.

    Returns:
        The mistake, or the constants where it is none that is known.
    """
    if in_use.cause is not None:
        return in_use.cause
    inside = expected.opinion.inside
    if inside is not None and not seen.differs(inside.for_channels(len(seen.mean))):
        return "it is normalized twice, in front of the model and by the model itself"
    reverse = seen.order != tuple(range(len(seen.order)))
    known = {name: normalization for name, (normalization, _) in KNOWN.items()} | dict(PRESETS)
    found = explain(seen, expected.in_network_order, known)
    # Who states constants says nothing of how pixels are scaled.
    if found is not None and not (found.name == SCALED and in_use.what.startswith(NORM)):
        return named_order(found.description, blue_first=expected.opinion.order == BGR)
    plain = replace(seen, order=tuple(range(len(seen.order))))
    order = " and its channels are in another order" if reverse else ""
    return f"it is normalized with {plain}{order}"


def _expects(model: str, expected: Expected) -> str:
    surely = "" if expected.confidence > SURE else "probably "
    return f"{model} {surely}expects {_text(expected)}"


def usable(expected: Expected) -> str:
    """What ``--norm`` takes for it: a preset's name, or the numbers."""
    return _preset(expected.normalization) or f"{expected.normalization:.6g}"


def _preset(normalization: Normalization) -> str | None:
    for name, preset in PRESETS.items():
        if preset.channels in {1, normalization.channels} and (
            preset.for_channels(normalization.channels) == normalization
        ):
            return name
    return None


def _text(expected: Expected) -> str:
    normalization = expected.normalization
    numbers = Candidate.of(normalization, expected.opinion.order).name
    name = _preset(normalization) or expected.opinion.name
    said = numbers if name is None else f"{name} ({numbers})"
    return f"{said}, channels in BGR order" if expected.opinion.order == BGR else said


def _also(expected: Expected) -> str:
    """What else it may be, as a sentence more."""
    if expected.left_open is None:
        return ""
    names = [candidate.name for candidate in expected.left_open.alike]
    return (
        f". The {listed(expected.sources)} do not tell {listed(names, most=MOST_NAMED)} from "
        f"{_name(expected)}"
    )


def _open(model: str, expected: Expected, in_use: InUse, price: Price | None, missing: str) -> str:
    """Why what is used is neither right nor wrong, where several are left open."""
    assert expected.left_open is not None
    alike = expected.left_open.alike
    names = listed([_name(expected), *(c.name for c in alike)], most=MOST_NAMED)
    by = listed(expected.sources)
    assert in_use.applied is not None
    differs = expected.seen_by(in_use.applied).differs(expected.in_network_order)
    against = f"; against {_name(expected)}, the likeliest, it "
    costs = f"{against}{price.in_words}" if price is not None and differs else ""
    if not differs or any(done_by(in_use.applied, candidate) for candidate in alike):
        said = f"the {by} do not tell {names} apart, and {in_use.what} is one of them"
    else:
        said = (
            f"by the {by} {model} expects one of {names}, and they do not show that {in_use.what} "
            "is worse"
        )
    return f"{said}{costs}. Give {missing}"


def _name(expected: Expected) -> str:
    known = _preset(expected.normalization) or expected.opinion.name
    return known or Candidate.of(expected.normalization, expected.opinion.order).name


def _enough_to_agree(expected: Expected) -> bool:
    if expected.left_open is not None and expected.left_open.alone <= LIKELY:
        return False
    weak = set(expected.named_by) <= {ANSWERS, LIBRARY}
    return expected.confidence > (SURE if weak else LIKELY)


def _right(model: str, expected: Expected, in_use: InUse, price: Price | None) -> str:
    said = f"Right. {model} expects {_text(expected)}, and {in_use.what} gives it"
    if in_use.applied is None or in_use.applied.shows != SQUASHED:
        return f"{said}{_also(expected)}."
    costs = "" if price is None else f", which {price.in_words}"
    return f"{said}, but squashes the images to other proportions{costs}{_also(expected)}."


def _contradictory(
    model: str, expected: Expected, in_use: InUse, price: Price | None, missing: str
) -> str:
    if _does_better(price):
        return (
            f"{model} should expect {_text(expected)}, and it does better with {in_use.what} on "
            "these labels. Check the labels and the order of the classes"
        )
    if expected.against:
        other = expected.against[0]
        return (
            f"the {expected.opinion.source} and the {other.source} contradict each other (see "
            f"below). Give {missing}"
        )
    probably = _expects(model, expected)
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


def _cannot_tell(why: str, use: str | None = None) -> Verdict:
    return Verdict("cannot tell", f"Cannot tell: {why}.", use=use)
