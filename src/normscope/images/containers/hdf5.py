"""HDF5: each dataset is an array, read by its chunks."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import h5py

from normscope.errors import NormscopeError
from normscope.images.containers.packing import Packing
from normscope.images.containers.variable import Variable
from normscope.images.containers.variable_stream import stream_of, whole_file
from normscope.images.encoded import open_binary, size_of
from normscope.images.urls import is_remote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np

    from normscope.images.collection import Stream
    from normscope.images.containers.opening import Wanted
    from normscope.images.containers.variable import Box

HDF4_MAGIC = b"\x0e\x03\x13\x01"
ELSEWHERE = (
    "must lie in its own file, got one that is stored in others, which are not followed. "
    "Ask for those files themselves."
)


def open_stream(wanted: Wanted) -> Stream:
    """The images of an HDF5 file.

    Args:
        wanted: Its path, and a dataset or group.

    Returns:
        The images, unread.

    Raises:
        NormscopeError: If the file is no HDF5, or lacks the part.
    """
    with whole_file(wanted.path, "HDF5 file") as head:
        if head.startswith(HDF4_MAGIC):
            raise NormscopeError(
                f"{wanted.path} must be an HDF5 file, got one of HDF4. Convert it by h4toh5."
            )
        variables = variables_of(wanted.path)
        _check_link(wanted)
        variables += _by_another_name(wanted, variables)
    return stream_of(variables, wanted)


def variables_of(path: str, fills: Mapping[str, Any] | None = None) -> list[Variable]:
    """Every dataset of an HDF5 file by its header; links to other files are not followed.

    Args:
        path: The file's.
        fills: What stands for nothing in datasets of a type that do not say it themselves.

    Returns:
        The datasets, by name.
    """
    found: list[Variable] = []

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found.append(_variable(path, name, item, fills or {}))

    with opened(path) as file:
        file.visititems(visit)
    return sorted(found, key=lambda variable: variable.name)


def _by_another_name(wanted: Wanted, known: list[Variable]) -> list[Variable]:
    """The datasets of the part, where links give it a name that ``variables_of`` does not."""
    part = (wanted.part or "").strip("/")
    if not part or any(f"{variable.name}/".startswith(f"{part}/") for variable in known):
        return []
    with opened(wanted.path) as file:
        found: Any = file.get(part)
        # A link may lead to one that leads into another file.
        if found is None or found.file.filename != file.filename:
            return []
        if isinstance(found, h5py.Dataset):
            return [_variable(wanted.path, part, found, {})]
        inside: list[Variable] = []

        def visit(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset):
                inside.append(_variable(wanted.path, f"{part}/{name}", item, {}))

        if isinstance(found, h5py.Group):
            found.visititems(visit)
        return sorted(inside, key=lambda variable: variable.name)


@contextmanager
def opened(path: str) -> Iterator[h5py.File]:
    """Open an HDF5 file.

    Args:
        path: Its path or URL.

    Yields:
        The open file.
    """
    if is_remote(path):
        with open_binary(path) as raw, h5py.File(raw, "r") as file:
            yield file
        return
    # A lock would be refused on many network disks, and nothing is written here.
    with h5py.File(path, "r", locking=False) as file:
        yield file


def _variable(path: str, name: str, dataset: h5py.Dataset, fills: Mapping[str, Any]) -> Variable:
    return Variable(
        path,
        name,
        tuple(dataset.shape or ()),
        dataset.dtype,
        partial(_read, path, name),
        dims=_dims(dataset),
        chunks=dataset.chunks,
        packing=Packing.of(_attributes(dataset), fills.get(dataset.dtype.str[1:])),
        stored=partial(_stored, path, name),
        refusal=_refusal(dataset),
    )


def _read(path: str, name: str, box: Box) -> np.ndarray:
    with opened(path) as file:
        return file[name][box]  # type: ignore[return-value, index]


def _stored(path: str, name: str) -> int:
    with opened(path) as file:
        # A file of holes would otherwise hold what it claims.
        return min(file[name].id.get_storage_size(), size_of(path))  # type: ignore[union-attr]


def _dims(dataset: h5py.Dataset) -> tuple[str, ...]:
    names = []
    for dim in dataset.dims:
        try:
            scale = dim[0].name if len(dim) else ""
        except (KeyError, OSError, RuntimeError, ValueError):
            scale = ""
        names.append(dim.label or str(scale).rpartition("/")[2])
    return tuple(names) if all(names) else ()


def _attributes(dataset: h5py.Dataset) -> dict[str, Any]:
    attributes = {}
    for key in dataset.attrs:
        try:
            attributes[key] = dataset.attrs[key]
        except (KeyError, OSError, TypeError, ValueError):
            continue
    return attributes


def _refusal(dataset: h5py.Dataset) -> str:
    created = dataset.id.get_create_plist()
    if dataset.external or (
        dataset.is_virtual and any(source.file_name != "." for source in dataset.virtual_sources())
    ):
        return ELSEWHERE
    for index in range(created.get_nfilters()):
        code, _, _, name = created.get_filter(index)
        if not h5py.h5z.filter_avail(code):
            called = name.decode(errors="replace") or "of an unknown name"
            return (
                f"must be stored with filters that h5py has, got filter {code} ({called}). "
                "Store it again with gzip, or plainly."
            )
    return ""


def _check_link(wanted: Wanted) -> None:
    """Say it where the part is, or lies behind, a link to another file."""
    if wanted.part is None:
        return
    with opened(wanted.path) as file:
        group = file
        for name in wanted.part.strip("/").split("/"):
            if not isinstance(group, h5py.Group) or name not in group.keys():  # noqa: SIM118
                return
            if isinstance(group.get(name, getlink=True), h5py.ExternalLink):
                raise NormscopeError(f"{wanted.path}::{wanted.part} {ELSEWHERE}")
            group = group.get(name)
