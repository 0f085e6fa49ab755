"""A study that grows: more seeds and more values on its axes, and nothing finished is lost."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from normscope.errors import SpecificationDiffers
from normscope.studies.axis import Axis

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from normscope.studies.specification import ScanSpec

RELATIVE = 1e-9
"""Values nearer than this are the same: written another way, a grid's floats differ in their last
digits, and its finished trials must count all the same."""

COUNTS = ("seeds", "survival")


def grown(wanted: ScanSpec, begun: ScanSpec, folder: Path) -> ScanSpec:
    """What a study becomes that is asked for again, as it was or larger.

    Args:
        wanted: What is asked for.
        begun: What the study is so far.
        folder: Where it lies, for errors.

    Returns:
        The specification asked for, with the floats of the study's own values; the study's own
        where nothing is added.

    Raises:
        SpecificationDiffers: If it is another study, or a smaller one.
    """
    ours, theirs = ({axis.name: axis for axis in spec.axes} for spec in (wanted, begun))
    may_grow = set(COUNTS)
    if list(ours) == list(theirs):
        may_grow |= {*ours, *(f"channel_axes.{name}" for name in ours)}
    differences = wanted.differences(begun, may_grow)
    if differences:
        raise SpecificationDiffers(
            f"{folder} must hold a study of the same specification, got another: "
            f"{'; '.join(differences)}. Choose another --out or repeat the first call."
        )
    missing = lacking(wanted, begun)
    if missing:
        raise SpecificationDiffers(
            f"{folder} must be given all that its study has, and may be given more, got less: "
            f"{'; '.join(missing)}. Ask for all of it, or choose another --out."
        )
    more = replace(begun, **{name: getattr(wanted, name) for name in COUNTS})
    return _with_axes(more, {name: _joined(ours[name], theirs[name]) for name in ours})


def as_trained(specification: ScanSpec, points: Iterable[Mapping[str, float]]) -> ScanSpec:
    """A specification with the floats of its own trials.

    NumPy spaces a logarithmic axis by vector instructions, whose last digits differ between
    processors: read on another machine, a study would not know its own cells.

    Args:
        specification: As it is written.
        points: Where its trials lie, by the axis's name.

    Returns:
        The same, where a trial has nearly the value of an axis with the trial's.
    """
    met_by: dict[str, set[float]] = {axis.name: set() for axis in specification.axes}
    for point in points:
        for name, met in met_by.items():
            if name in point:
                met.add(point[name])
    axes = {}
    for axis in specification.axes:
        met = met_by[axis.name]
        values = tuple(
            own if own in met else next((v for v in met if _near(axis, own, v)), own)
            for own in axis.values
        )
        axes[axis.name] = replace(axis, values=values)
    return _with_axes(specification, axes)


def lacking(wanted: ScanSpec, begun: ScanSpec) -> list[str]:
    """What a study has that another specification with the same axes has not.

    Args:
        wanted: The other specification.
        begun: The study's own.

    Returns:
        A phrase for each number of seeds that is smaller, and each axis that lacks values.
    """
    found = [
        f"{name} {getattr(wanted, name)} (it has {getattr(begun, name)})"
        for name in COUNTS
        if getattr(wanted, name) < getattr(begun, name)
    ]
    for ours, theirs in zip(wanted.axes, begun.axes, strict=True):
        absent = [value for value in theirs.values if not _has(ours, value)]
        if absent:
            found.append(
                f"{ours.name} {ours.text} (it also has {', '.join(f'{v:g}' for v in absent)})"
            )
    return found


def _with_axes(specification: ScanSpec, axes: dict[str, Axis]) -> ScanSpec:
    return replace(
        specification,
        mean=axes.get("mean"),
        std=axes.get("std"),
        channel_axes=tuple(axes[axis.name] for axis in specification.channel_axes),
    )


def _joined(wanted: Axis, begun: Axis) -> Axis:
    # Optuna refuses an axis whose scale changes between trials, so the study's own stays.
    more = [value for value in wanted.values if not _has(begun, value)]
    if not more:
        return begun
    every = tuple(sorted([*begun.values, *more]))
    if (every, begun.log) == (wanted.values, wanted.log):
        return wanted
    return Axis.of(begun.name, every, log=begun.log)


def _has(axis: Axis, value: float) -> bool:
    return any(_near(axis, own, value) for own in axis.values)


def _near(axis: Axis, own: float, value: float) -> bool:
    # A grid of means written another way may have 1e-17 in place of 0.
    largest = 0.0 if axis.name.startswith("std") else max(map(abs, axis.values))
    return math.isclose(own, value, rel_tol=RELATIVE, abs_tol=1e-3 * RELATIVE * largest)
