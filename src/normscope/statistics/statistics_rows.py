"""The statistics of a collection as rows of text: first what is used, then what it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from normscope.wording import plain, with_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from normscope.statistics.collection_numbers import CollectionNumbers
    from normscope.statistics.estimators import Estimate

    Section = dict[str, list[str]]

SHOWN = {"0.5": "0.5 %", "50": "median", "99.5": "99.5 %"}
"""The percentiles that a window is chosen by; JSON has more."""

DECIMALS = 6

STANDARD_ERROR = "± standard error"
"""What stands behind a number, where it is known."""


def sections_of(found: CollectionNumbers) -> list[Section]:
    """Rows by name, each with one text per channel.

    Args:
        found: The statistics.

    Returns:
        The mean and std in [0, 1], the values as stored, other estimators, and what the digits are
        worth.
    """
    unit = f" ({found.unit})" if found.unit and found.scale == 1 else ""
    # Six decimals are for values near 1.
    form = "g" if found.scale == 1 and _beyond(found) else "f"
    used = {
        f"mean{unit}": _with_se(found.mean, form),
        f"pixel std{unit}": _with_se(found.std, form),
    }
    sections = [used, _stored(found)]
    if found.clip is not None:
        sections.append(_clip(found))
    others = {
        "mean image std": _with_se(found.mean_image_std, form),
        "root mean image variance": _with_se(found.root_mean_image_variance, form),
    }
    if found.sizes_differ:
        others = {"mean of image means": _with_se(found.mean_of_image_means, form), **others}
    if found.batch_mean is not None and found.batch_std is not None:
        others["batch mean"] = [plain(value, DECIMALS) for value in found.batch_mean.value]
        others["batch std"] = [plain(value, DECIMALS) for value in found.batch_std.value]
    return [*sections, others, _worth(found)]


def _stored(found: CollectionNumbers) -> Section:
    rows: Section = {}
    if found.scale != 1:
        unit = found.kind_of_values
        rows[f"mean ({unit})"] = _with_se(found.stored_mean, "g")
        rows[f"std ({unit})"] = _with_se(found.stored_std, "g")
    rows["min"] = [f"{value:g}" for value in found.minimum]
    for number, name in SHOWN.items():
        between = found.percentiles[number]
        rows[name] = [
            f"{value:.5g}" if low == high else f"about {value:.3g}"
            for value, low, high in zip(between.value, between.low, between.high, strict=True)
        ]
    # Rising, with the greatest last.
    rows["max"] = [f"{value:g}" for value in found.maximum]
    return rows


def _clip(found: CollectionNumbers) -> Section:
    clip = found.clip
    assert clip is not None
    ends = zip(clip.low, clip.high, strict=True)
    rows = {
        "clip": [f"{low:.5g} to {high:.5g}" for low, high in ends],
        "mean after clip": _within(clip.mean, clip.within, found.scale),
        "std after clip": _within(clip.std, clip.within, found.scale),
    }
    if found.scale != 1:
        unit = found.kind_of_values
        rows[f"mean after clip ({unit})"] = [f"{value:.6g}" for value in clip.stored_mean]
        rows[f"std after clip ({unit})"] = [f"{value:.6g}" for value in clip.stored_std]
    return rows


def _within(values: Sequence[float], within: Sequence[float], scale: float) -> list[str]:
    return [
        plain(value, DECIMALS) if not off else f"{plain(value, DECIMALS)} within {off / scale:.1g}"
        for value, off in zip(values, within, strict=True)
    ]


def _worth(found: CollectionNumbers) -> Section:
    import numpy as np

    from normscope.statistics.estimators import real_digits

    rows: Section = {}
    # Floats beyond [0, 1], such as Hounsfield units, have no ends to be clipped at.
    if not (found.dtype.startswith("float") and _beyond(found)):
        dtype = np.dtype(found.dtype)
        least = np.iinfo(dtype).min if dtype.kind == "i" else 0
        below, above = min(found.minimum) < least, max(found.maximum) > found.scale
        for end, shares in (
            (f"at {least:g}{' or below' * below}", found.clipped_low),
            (f"at {found.scale:.10g}{' or above' * above}", found.clipped_high),
        ):
            rows[end] = [f"{100 * share:.2f} %" for share in shares]
    for what, estimate in (("mean", found.mean), ("std", found.std)):
        digits = [real_digits(se) for se in estimate.se]
        rows[f"sure decimals of {what}"] = [
            "unknown" if d is None else str(d) if d >= 0 else "none" for d in digits
        ]
    return rows


def _beyond(found: CollectionNumbers) -> bool:
    return min(found.minimum) < 0 or max(found.maximum) > found.scale


def _with_se(estimate: Estimate, form: str = "f") -> list[str]:
    return [
        with_error(value, se) if se else plain(value, DECIMALS) if form == "f" else f"{value:.6g}"
        for value, se in zip(estimate.value, estimate.se, strict=True)
    ]
