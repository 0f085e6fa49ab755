"""Which outputs of a pretrained network are the classes of a source: matched by name."""

from __future__ import annotations

from collections import Counter
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from normscope.errors import NormscopeError

if TYPE_CHECKING:
    from collections.abc import Sequence

IMAGENET_OUTPUTS = 1000


@cache
def imagenet_ids() -> tuple[str, ...]:
    """The WordNet ids of ImageNet's 1,000 classes in the order of the usual networks' outputs.

    Russakovsky et al., "ImageNet large scale visual recognition challenge", 2015
    (doi:10.1007/s11263-015-0816-y). The order is that of their names.

    Returns:
        Ids such as ``"n01440764"``.
    """
    text = resources.files("normscope.models").joinpath("imagenet_ids.txt").read_text("ascii")
    return tuple(text.split())


def outputs_for_classes(
    classes: Sequence[str], outputs: int, names: Sequence[str] | None, model: str
) -> list[int] | None:
    """Which output stands for each class of a source.

    Classes are matched by ImageNet's ids where there are 1,000 outputs, else by the names that the
    model's library gives; a name that it gives twice matches nothing.

    Args:
        classes: The source's, in the order of its labels.
        outputs: How many outputs the network has.
        names: Its outputs' names, where they are known.
        model: What it is called in errors.

    Returns:
        An index for each class, or None where the outputs are the classes as they stand.

    Raises:
        NormscopeError: If they cannot be matched and differ in number.
    """
    schemes = [imagenet_ids()] if outputs == IMAGENET_OUTPUTS else []
    if names is not None and len(names) == outputs:
        schemes.append(tuple(names))
    for scheme in schemes:
        counts = Counter(map(_plain, scheme))
        place = {_plain(n): i for i, n in enumerate(scheme) if counts[_plain(n)] == 1}
        if all(_plain(name) in place for name in classes):
            indices = [place[_plain(name)] for name in classes]
            return None if indices == list(range(outputs)) else indices
    if outputs == len(classes):
        return None
    raise NormscopeError(
        f"the classes of the images must be among the outputs of {model}, got {len(classes)} "
        f"classes (such as {classes[0]}) and {outputs} outputs, which cannot be matched by name. "
        "Name the folders as the network's classes are (ImageNet's ids), or train with --new-head."
    )


def _plain(name: str) -> str:
    return name.lower().replace("_", " ").strip()
