"""From the arrays of a file to the stream of images that was asked for."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from normscope.errors import NormscopeError
from normscope.images.arrays import given_axes, is_guess, most_of
from normscope.images.collection import Stream
from normscope.images.containers.axes import guessed_axes, named_axes
from normscope.images.containers.choosing import choose
from normscope.images.containers.image_array import READ_BYTES, ImageArray
from normscope.images.containers.opening import PART
from normscope.images.containers.variable_shard import VariableShard
from normscope.images.encoded import open_binary, stamp
from normscope.images.formats import HEAD
from normscope.images.shards import ArrayShard
from normscope.quiet import without_warnings
from normscope.wording import first_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from normscope.images.containers.opening import Wanted
    from normscope.images.containers.variable import Variable
    from normscope.images.shards import Shard


def stream_of(
    variables: Sequence[Variable], wanted: Wanted, origin: tuple[Any, ...] | None = None
) -> Stream:
    """The images that were asked for.

    Args:
        variables: Every array of the file.
        wanted: What was asked for.
        origin: What tells that the file has changed; its size and time of change if None.

    Returns:
        The images, unread.
    """
    chosen, said = choose(variables, wanted)
    arrays = [image_array(variable, wanted.layout) for variable in chosen]
    notes = dict.fromkeys([said, *(axes_note(array, wanted.layout) for array in arrays)])
    name = wanted.path if wanted.part is None else f"{wanted.path}{PART}{wanted.part}"
    return stream_of_arrays(name, arrays, tuple(filter(None, notes)), origin or stamp(wanted.path))


def stream_of_arrays(
    name: str,
    arrays: list[ImageArray],
    notes: tuple[str, ...] = (),
    origin: tuple[Any, ...] | None = None,
) -> Stream:
    """Arrays of images, one after another.

    Args:
        name: What they are called together.
        arrays: At least one.
        notes: What was taken for what.
        origin: What tells that they have changed, or None where that cannot be told.

    Returns:
        The images, unread.
    """

    def shards() -> Iterator[Shard]:
        start = 0
        for array in arrays:
            yield from _shards(array, start, origin)
            start += len(array)

    names = {array.variable.channel_names for array in arrays}
    return Stream(
        name,
        shards,
        lambda: float(sum(len(array) for array in arrays)),
        notes=notes,
        channel_names=names.pop() if len(names) == 1 else (),
    )


def image_array(variable: Variable, layout: str | None) -> ImageArray:
    """A variable's images.

    Args:
        variable: An array.
        layout: What its axes are, or None for what its file says or their lengths.

    Returns:
        The images, checked by their header.
    """
    variable.check()
    if layout is not None:
        axes = given_axes(layout, variable.shape, variable.label)
    else:
        axes = named_axes(variable.dims) or variable.guess(variable.shape)
    array = ImageArray(variable, axes)
    array.check()
    return array


@contextmanager
def whole_file(path: str, kind: str) -> Iterator[bytes]:
    """Open a file's header, and say in one sentence what is wrong with it.

    Args:
        path: Of a regular file, or a URL.
        kind: What it should be, such as ``HDF5 file``.

    Yields:
        Its first bytes.
    """
    with whole(path, kind):
        with open_binary(path) as file:
            head = file.read(HEAD)
        yield head


@contextmanager
def whole(path: str, kind: str) -> Iterator[None]:
    """Say in one sentence what is wrong with a file or folder, whatever its library raises.

    Args:
        path: What is opened.
        kind: What it should be, such as ``Zarr folder``.

    Yields:
        Nothing.

    Raises:
        ModuleNotFoundError: If the format's library is not installed.
        NormscopeError: If it cannot be read.
    """
    try:
        with without_warnings():
            yield
    except (NormscopeError, ModuleNotFoundError):
        raise
    except Exception as error:  # noqa: BLE001 - headers can be wrong in many ways
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise NormscopeError(
            f"{path} must be a whole {kind}, got: {first_line(reason)}. Check it, or make it again."
        ) from None


def _shards(array: ImageArray, start: int, origin: tuple[Any, ...] | None) -> Iterator[Shard]:
    variable = array.variable
    if variable.load is None:
        for which in array.reads():
            yield VariableShard(start + which.start, array, which, origin)
        return
    images = array.arranged(variable.load())
    rows = max(1, READ_BYTES // array.image_bytes)
    for row in range(0, len(images), rows):
        here = None if origin is None else (variable.label, array.axes, *origin)
        most = most_of(variable.dtype)
        yield ArrayShard(start + row, images[row : row + rows], None, here, most=most)


def axes_note(array: ImageArray, layout: str | None) -> str:
    """What an array's axes were taken for.

    Args:
        array: Its images.
        layout: What its axes were said to be, or None.

    Returns:
        A sentence, or nothing where it was said or is beyond doubt.
    """
    variable = array.variable
    sure = variable.guess is guessed_axes and not variable.dims and not is_guess(variable.shape)
    if layout is not None or len(variable.shape) == 2 or (sure and len(variable.shape) == 4):
        return ""
    sizes = " x ".join(map(str, variable.shape))
    named = f"Axes {', '.join(variable.dims)}: " if variable.axes_are_named else ""
    return f"{named}{sizes} values are read as {array.axes}; --layout changes it."
