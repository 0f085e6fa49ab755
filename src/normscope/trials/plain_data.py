"""Specifications as plain data, as JSON and TOML have it, and back, by the types of their fields.

Fields that have their default are left out, so that a specification written before a field was
added still stands for the same trial.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cattrs import Converter
from cattrs.errors import CattrsError
from cattrs.gen import make_dict_unstructure_fn

from normscope.images.size import Size, as_resize
from normscope.init_scale import InitScale
from normscope.normalization import Normalization

if TYPE_CHECKING:
    from collections.abc import Iterator

converter = Converter(forbid_extra_keys=True, omit_if_default=True, detailed_validation=False)

LARGEST = 2**63 - 1
WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def exactly(kind: type, value: Any) -> Any:
    """A value of a plain type, unchanged: neither ``"3"`` nor ``3.0`` is the whole number 3.

    Args:
        kind: ``bool``, ``int``, ``float`` or ``str``; a whole number is a float, too.
        value: What was read.

    Returns:
        The value.

    Raises:
        TypeError: If it is of another type, or an integer that no machine counts to.
    """
    if isinstance(value, int) and abs(value) > LARGEST:
        raise TypeError(f"{value} in place of a number of at most {LARGEST}")
    if type(value) is kind or (kind is float and type(value) is int):
        return value
    raise TypeError(f"{value!r} in place of {WORDS[kind]}")


@contextmanager
def reading() -> Iterator[None]:
    """Raise the TypeErrors of plain Python where plain data has another form.

    Yields:
        Nothing.

    Raises:
        TypeError: If a name is unknown or a value of another kind.
    """
    try:
        yield
    except (AttributeError, CattrsError) as error:
        raise TypeError(str(error)) from None


for plain in WORDS:
    converter.register_structure_hook(plain, lambda value, kind: exactly(kind, value))
converter.register_structure_hook(
    Normalization, lambda text, _: Normalization.parse(exactly(str, text))
)
converter.register_unstructure_hook(Normalization, str)
converter.register_structure_hook(int | Size | None, lambda value, _: as_resize(value))
converter.register_unstructure_hook(Size, str)
converter.register_unstructure_hook(
    InitScale, make_dict_unstructure_fn(InitScale, converter, _cattrs_omit_if_default=False)
)
