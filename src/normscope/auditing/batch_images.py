"""The images in a batch of any form, one image alone, and a sample of pixels.

A batch is not copied: the memory that holds it may be full. Samples are computed with in NumPy,
since torch's results depend on its default precision, and not every device has float64.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from normscope.images.frames import COLOURS

if TYPE_CHECKING:
    from collections.abc import Iterator

SAMPLE = 200_000
"""Pixels that are taken of each part of a batch."""

DEEPEST = 8
"""How many containers deep images are looked for."""

AXES = {3: (0, 2), 4: (1, 3), 5: (2, 1, 4)}
"""Where the channels of an image, a batch and a batch of videos or volumes may be."""

Place = tuple[Any, ...]
"""Keys, names of fields and indices that lead to a part of a batch."""


@dataclass(frozen=True)
class Sampled:
    """Some pixels of a part of a batch.

    Attributes:
        pixels: Shape ``(C, S)``.
        means: Of each image, shape ``(N, C)``.
        finite: Whether all values of the part are.
        of_bytes: Whether they are uint8.
    """

    pixels: np.ndarray
    means: np.ndarray
    finite: bool
    of_bytes: bool


def images_of(batch: Any, channels: int) -> dict[Place, list[Any]]:
    """The images of a batch, its channels last.

    Args:
        batch: A tensor or an array, or a tuple, list, mapping or dataclass that holds some.
        channels: Of the normalization; 1 goes with any number.

    Returns:
        Tensors or arrays by their place. Several places where images have equals, such as a target
        of the same shape; none where nothing fits the channels.
    """
    found: dict[tuple[bool, int], dict[Place, list[Any]]] = {}
    for place, held in _arrays(batch):
        rank, view = _channels_last(held, channels)
        if view is None:
            continue
        if held.ndim == 3:  # single images, one after another
            place = tuple(part for part in place if not isinstance(part, int))  # noqa: PLW2901
        of_bits = str(held.dtype).endswith("bool")
        found.setdefault((of_bits, rank), {}).setdefault(place, []).append(view)
    return found[min(found)] if found else {}


def image_in(given: Any, channels: int) -> Any:
    """The only image of what a transform gives, alone or in a batch, a mapping or a tuple.

    Args:
        given: Whatever it is.
        channels: Of the network.

    Returns:
        A tensor ``(C, H, W)`` where there is just one image; else what was given.
    """
    import torch

    found = [view for views in images_of(given, channels).values() for view in views]
    view = found[0] if len(found) == 1 else np.empty(0)
    if view.ndim == 4 and len(view) == 1:
        view = view[0]
    if view.ndim != 3 or view.shape[-1] != channels:
        return given
    if isinstance(view, np.ndarray):
        kind = np.float32 if view.dtype.kind == "f" else view.dtype.newbyteorder("=")
        view = torch.from_numpy(np.array(view, kind))  # a copy, since a view may be read-only
    return view.movedim(-1, 0)


def shape_of(batch: Any) -> tuple[int, ...] | None:
    """The shape of a batch's first array of four dimensions."""
    return next((tuple(held.shape) for _, held in _arrays(batch) if held.ndim == 4), None)


def sampled(images: list[Any]) -> Sampled:
    """Some pixels of images.

    Args:
        images: Tensors or arrays, their channels last.

    Returns:
        Pixels that are spread over all of them.
    """
    most = max(1, SAMPLE // len(images))
    taken = [_taken(each, most) for each in images]
    pixels = np.concatenate([values for values, _ in taken]).T
    means = np.concatenate([_means(*each) for each in taken])
    of_bytes = str(images[0].dtype).endswith("uint8")
    return Sampled(pixels, means, all(map(_finite, images)), of_bytes)


def _arrays(held: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    import torch

    parts: Any = ()
    if isinstance(held, torch.Tensor):
        usable = held.layout == torch.strided and not (held.is_meta or held.is_quantized)
        if usable and not held.is_complex() and held.ndim in AXES and held.numel():
            yield place, held.detach().as_subclass(torch.Tensor)
    elif isinstance(held, np.ndarray):
        if held.dtype.kind in "buif" and held.ndim in AXES and held.size:
            yield place, held
    elif len(place) == DEEPEST:
        return
    elif isinstance(held, Mapping):
        parts = ((str(key), value) for key, value in held.items())
    elif is_dataclass(held) and not isinstance(held, type):
        parts = ((each.name, getattr(held, each.name, None)) for each in fields(held))
    elif isinstance(held, tuple | list):
        parts = enumerate(held)
    for name, part in parts:
        yield from _arrays(part, (*place, name))


def _channels_last(held: Any, channels: int) -> tuple[int, Any]:
    """How good a place for images this is, 0 for the best, and a view of it; None for no place."""
    single = 3 * (held.ndim == 3)
    sizes = (channels,) if channels > 1 else (COLOURS, 1)
    for rank, size in enumerate(sizes):
        for axis in AXES[held.ndim]:
            if held.shape[axis] == size:
                return single + rank, _moved(held, axis)
    if held.ndim != 4 or held.shape[1] % channels:
        return 0, None
    # Several images behind each other, or with a normalization of one channel any bands.
    view = _moved(held, 1)
    if channels > 1:
        view = view.reshape(*view.shape[:-1], -1, channels)
    return 2, view


def _moved(held: Any, axis: int) -> Any:
    return np.moveaxis(held, axis, -1) if isinstance(held, np.ndarray) else held.movedim(axis, -1)


def _taken(images: Any, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Some pixels, shape ``(S, C)``, and which image each is of."""
    import torch

    sizes = tuple(images.shape[:-1])
    total = math.prod(sizes)
    step = max(1, total // most)
    while math.gcd(step, total) > 1:  # else it could meet the same column in every row
        step += 1
    at = np.unravel_index(np.arange(0, total, step), sizes)
    if isinstance(images, np.ndarray):
        return images[at].astype(np.float64), at[0]
    values = images[tuple(map(torch.from_numpy, at))].cpu()
    if values.is_floating_point() and values.dtype != torch.float64:
        values = values.float()
    return values.numpy().astype(np.float64), at[0]


def _means(values: np.ndarray, image: np.ndarray) -> np.ndarray:
    starts = np.flatnonzero(np.diff(image, prepend=-1))
    counts = np.diff(starts, append=len(image))
    return np.add.reduceat(values, starts) / counts[:, None]


def _finite(images: Any) -> bool:
    if isinstance(images, np.ndarray):
        return bool(np.isfinite(images).all())
    if not images.is_floating_point():
        return True
    if images.itemsize == 1:  # numbers of 8 bits have few operations of their own
        images = images.float()
    return all(math.isfinite(end.item()) for end in images.aminmax())
