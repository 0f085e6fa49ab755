"""Which arrays of a file are the images that were asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from normscope.errors import NormscopeError, UnknownName
from normscope.wording import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from normscope.images.containers.opening import Wanted
    from normscope.images.containers.variable import Variable

MOST_NAMED = 12
SPLIT_WORDS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip


def split_of_name(name: str) -> str | None:
    """The split that an array belongs to, by the first or last word of its name or a group's.

    Args:
        name: Such as ``train_images``, ``x_test`` or ``val/images``.

    Returns:
        ``train``, ``val``, ``test`` or None.

    Example:
        >>> split_of_name("train_images"), split_of_name("validation/x"), split_of_name("trains")
        ('train', 'val', None)
    """
    for group in name.lower().split("/"):
        words = group.split("_")
        for word in (words[0], words[-1]):
            if word in SPLIT_WORDS:
                return SPLIT_WORDS[word]
    return None


def choose(variables: Sequence[Variable], wanted: Wanted) -> tuple[list[Variable], str]:
    """The arrays that are the images that were asked for.

    A part is an array's name, or a group's, which gives all of its arrays. Without a part it is
    the only array that can be images, or the one of the split.

    Args:
        variables: Every array of the file.
        wanted: What was asked for.

    Returns:
        At least one array, and a sentence on what was taken, or nothing where that was said.

    Raises:
        NormscopeError: If there is none, or more than one could be meant.
        UnknownName: If the part is not there.
    """
    if wanted.part is not None:
        return _part(variables, wanted, wanted.part.strip("/"))
    possible = _possible(variables)
    if not possible:
        met = _names(variables) if variables else "none"
        raise NormscopeError(
            f"{wanted.path} must hold an array of images, of integers or floats with rows and "
            f"columns, got {met}. Save the pixels."
        )
    taken = _of_split(possible, wanted)
    splits = [split_of_name(variable.name) for variable in taken]
    if len(set(splits)) < len(taken):
        raise NormscopeError(
            f"{wanted.path} must be asked for one of its arrays, got {len(taken)} that could be "
            f"images: {_names(taken)}. Name one, as in {taken[0].label}, or a group of them."
        )
    if not taken[0].name or len(variables) == 1:
        return taken, ""
    names = listed([variable.described for variable in taken])
    if len(taken) > 1 or len(taken) < len(possible):
        return taken, f"Of {wanted.path} these arrays are taken by the split: {names}."
    return taken, f"Of {wanted.path} {names} is taken, the only array that can be images."


def _part(variables: Sequence[Variable], wanted: Wanted, part: str) -> tuple[list[Variable], str]:
    if wanted.split not in {None, "all"}:
        raise NormscopeError(
            f"{wanted.path}::{part} must hold splits for --split {wanted.split}, got one array or "
            "group. Leave out --split, or pass all."
        )
    for variable in variables:
        if variable.name == part:
            return [variable], ""
    members = [v for v in variables if not part or v.name.startswith(f"{part}/")]
    inside = _possible(members)
    if members and not inside:
        raise NormscopeError(
            f"{wanted.path}::{part} must hold an array of images, of integers or floats with rows "
            f"and columns, got {_names(members)}. Ask for another group."
        )
    if inside:
        where = f"{wanted.path}::{part}"
        if len(inside) == 1:
            return inside, f"Of {where} the array {inside[0].described} is taken."
        return inside, f"All {len(inside)} arrays of {where} are taken, in order."
    names = [variable.name for variable in variables]
    if not names:
        raise NormscopeError(
            f"{wanted.path} must hold the array {part}, got none. Save the pixels."
        )
    more = f"one of {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    raise UnknownName(f"the part of {wanted.path}", part, names[:MOST_NAMED], more, names)


def _possible(variables: Sequence[Variable]) -> list[Variable]:
    possible = [variable for variable in variables if variable.may_be_images]
    # Arrays of two axes beside deeper ones are labels or tables; bounds lack rows or columns.
    deep = [variable for variable in possible if len(variable.shape) > 2]
    named = [variable for variable in deep or possible if variable.axes_are_named]
    return named or deep or possible


def _of_split(possible: list[Variable], wanted: Wanted) -> list[Variable]:
    by_split = {variable.name: split_of_name(variable.name) for variable in possible}
    if wanted.split == "all":
        return [v for v in possible if by_split[v.name]] or possible
    taken = [v for v in possible if by_split[v.name] == (wanted.split or "train")]
    if taken or wanted.split is None:
        return taken or possible
    raise NormscopeError(
        f"{wanted.path} must hold an array of --split {wanted.split}, got "
        f"{', '.join(by_split)}. Choose a split that is there, or all."
    )


def _names(variables: Sequence[Variable]) -> str:
    return listed([variable.described for variable in variables], most=MOST_NAMED)
