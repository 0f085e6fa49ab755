"""Zarr of versions 2 and 3: each array is read by its chunks; of OME-Zarr the full resolution."""

from __future__ import annotations

import os
import time
import zipfile
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from zarr.storage import LocalStore, ZipStore

from normscope.images.containers.ome_zarr import OmeImage, is_plate, ome_image
from normscope.images.containers.packing import Packing
from normscope.images.containers.remote_zarr import RemoteZarr
from normscope.images.containers.variable import Variable
from normscope.images.containers.variable_stream import stream_of, whole
from normscope.images.containers.whole_chunks import WholeChunks
from normscope.images.encoded import size_of
from normscope.images.pixels import MAX_BYTES
from normscope.images.urls import is_remote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zarr.abc.store import Store

    from normscope.images.collection import Stream
    from normscope.images.containers.opening import Wanted
    from normscope.images.containers.variable import Box


def open_stream(wanted: Wanted) -> Stream:
    """The images of a Zarr folder, or of a zip archive of one.

    Args:
        wanted: Its path, and an array or group.

    Returns:
        The images, unread.
    """
    with whole(wanted.path, "Zarr folder"):
        there = RemoteZarr(wanted.path) if is_remote(wanted.path) else None
        store = there or _local(wanted.path)
        root = zarr.open(WholeChunks(store), path=_top(store), mode="r")
        if isinstance(root, zarr.Array):
            variables = [_variable(wanted.path, "", root)]
        else:
            variables = _of_group(wanted.path, root, wanted.part)
            if wanted.part is None and is_plate(root.attrs.asdict()):
                wanted = replace(wanted, part="")
        # Over HTTP nothing tells whether chunks have changed, so that no run goes on from another.
        origin = _stamp(wanted.path) if there is None else there.stamp or (time.time_ns(),)
    return stream_of(variables, wanted, origin)


def _local(path: str) -> Store:
    if os.path.isdir(path):  # noqa: PTH112
        return LocalStore(path, read_only=True)
    return ZipStore(path, mode="r")


def _top(store: Store) -> str:
    """The folder that a zip archive holds, where it holds one alone, and it is no group."""
    if not isinstance(store, ZipStore):
        return ""
    with zipfile.ZipFile(store.path) as archive:
        members = archive.infolist()
    largest = max((member.file_size for member in members), default=0)
    if largest > MAX_BYTES:
        raise ValueError(f"a member of {largest} bytes")
    names = [member.filename for member in members]
    tops = {name.partition("/")[0] for name in names}
    return tops.pop() if len(tops) == 1 and all("/" in name for name in names) else ""


def _of_group(path: str, root: zarr.Group, part: str | None) -> list[Variable]:
    groups = {"": root.attrs.asdict()}
    arrays: dict[str, zarr.Array] = {}
    for name, member in sorted(root.members(max_depth=None)):
        if isinstance(member, zarr.Array):
            arrays[name] = member
        else:
            groups[name] = member.attrs.asdict()
    images = {name: ome_image(attributes) for name, attributes in groups.items()}
    asked = (part or "").strip("/")
    variables = []
    for name, array in arrays.items():
        group, image = _image_of(name, images)
        is_full = image is None or f"{group}/{image.full}".strip("/") == name
        # Lower resolutions and labels are images only to who names them.
        if name == asked or (is_full and not (image and image.is_label)):
            variables.append(_variable(path, name, array, image))
    return variables


def _image_of(name: str, images: dict[str, OmeImage | None]) -> tuple[str, OmeImage | None]:
    group = name
    while group:
        group = group.rpartition("/")[0]
        image = images.get(group)
        if image is not None:
            return group, image
    return "", None


def _variable(path: str, name: str, array: zarr.Array, image: OmeImage | None = None) -> Variable:
    assert isinstance(array.store, WholeChunks)
    array.store.note(array)
    attributes = array.attrs.asdict()
    metadata: Any = array.metadata.to_dict()
    named: Any = metadata.get("dimension_names") or attributes.get("_ARRAY_DIMENSIONS") or ()
    dims = tuple(str(dim) for dim in (image.dims if image else named))
    return Variable(
        path,
        name,
        tuple(array.shape),
        np.dtype(array.dtype),
        partial(_read, array),
        dims=dims if len(dims) == array.ndim else (),
        chunks=tuple(array.chunks),
        packing=Packing.of(attributes),
        stored=_stored_of(path, name, array.store.inner),
        channel_names=image.channel_names if image else (),
    )


def _read(array: zarr.Array, box: Box) -> np.ndarray:
    return np.asarray(array[box])


def _stored_of(path: str, name: str, store: Store) -> Callable[[], int] | None:
    if isinstance(store, RemoteZarr):
        return partial(store.stored, name) if store.supports_listing else None
    if isinstance(store, ZipStore):
        return partial(size_of, path)
    return partial(_stored, os.path.join(path, name))  # noqa: PTH118


def _stored(path: str) -> int:
    return sum(status.st_size for status in _files(path))


def _stamp(path: str) -> tuple[int, int, int]:
    """What tells that any chunk has changed: how many files, their size, the latest change."""
    files = bytes_ = latest = 0
    found = [os.stat(path)] if os.path.isfile(path) else _files(path)  # noqa: PTH113, PTH116
    for status in found:
        files, bytes_ = files + 1, bytes_ + status.st_size
        latest = max(latest, status.st_mtime_ns)
    return files, bytes_, latest


def _files(path: str) -> Iterator[os.stat_result]:
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path)
            else:
                yield entry.stat(follow_symlinks=False)
