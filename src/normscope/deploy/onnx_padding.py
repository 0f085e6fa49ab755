"""Padding that has a value for each channel, as nodes of an ONNX graph."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import NodeProto, helper, numpy_helper

from normscope.deploy.onnx_graph import attribute, named
from normscope.deploy.refusals import NoExactFold

if TYPE_CHECKING:
    from collections.abc import Callable

    from onnx import TensorProto

PADS_ARE_INPUTS = 11
"""The opset from which a Pad's widths are an input, which may be computed."""

INTEGER_MAX = 12
"""The opset from which Max takes integers."""


@dataclass(frozen=True)
class Widths:
    """How wide each side is padded.

    Attributes:
        known: All beginnings, then all ends.
        name: Of the value that holds them instead.
        axes: The name of the value that says of which axes; of all if empty.
    """

    known: tuple[int, ...] = ()
    name: str = ""
    axes: str = ""


@dataclass
class Nodes:
    """Nodes and constants that are being written.

    Attributes:
        fresh: A name that nothing has, for a word.
        opset: The graph's.
        nodes: In their order.
        constants: What they read.
    """

    fresh: Callable[[str], str]
    opset: int
    nodes: list[NodeProto]
    constants: list[TensorProto]

    def constant(self, word: str, values: np.ndarray) -> str:
        """Keep an array under a fresh name.

        Returns:
            The name.
        """
        name = self.fresh(word)
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def add(self, kind: str, *read: str, out: str | None = None, **attributes: Any) -> str:
        """Write a node of one output.

        Returns:
            The output's name.
        """
        out = out or self.fresh(kind.lower())
        self.nodes.append(
            helper.make_node(kind, list(read), [out], name=self.fresh(kind), **attributes)
        )
        return out


def pad_channels(
    to: Nodes,
    pixels: str,
    widths: Widths,
    values: np.ndarray,
    axis: int,
    out: str | None = None,
) -> str:
    """Pad each channel with its own value.

    Channels are taken apart, padded and put together again: no arithmetic, so no rounding.

    Args:
        to: Where the nodes are written.
        pixels: What is padded.
        widths: How wide.
        values: One for each channel, of the pixels' type.
        axis: Of the channels.
        out: What the padded pixels are called; a fresh name if None.

    Returns:
        Their name.
    """
    bounds = [0, *(np.flatnonzero(np.diff(values)) + 1).tolist(), len(values)]
    if len(bounds) == 2:
        return _pad(to, pixels, widths, values[0], out)
    parts = []
    for start, end in pairwise(bounds):
        indices = to.constant("channels", np.arange(start, end))
        part = to.add("Gather", pixels, indices, axis=axis)
        parts.append(_pad(to, part, widths, values[start], None))
    return to.add("Concat", *parts, axis=axis, out=out)


def _pad(to: Nodes, pixels: str, widths: Widths, value: np.generic, out: str | None) -> str:
    if to.opset < PADS_ARE_INPUTS:
        return to.add("Pad", pixels, out=out, pads=widths.known, value=float(value))
    sides = widths.name or to.constant("pads", np.array(widths.known, np.int64))
    axes = [widths.axes] if widths.axes else []
    return to.add("Pad", pixels, sides, to.constant("value", np.asarray(value)), *axes, out=out)


def convolution_widths(
    to: Nodes, node: NodeProto, pixels: str, kernel: tuple[int, ...], size: tuple[int | None, ...]
) -> Widths | None:
    """How wide a convolution pads its input.

    Args:
        to: Where nodes are written that compute it, where the size is open.
        node: The convolution.
        pixels: What it reads.
        kernel: The shape of its kernel.
        size: Of what it reads, as far as the file says.

    Returns:
        The widths, or None where nothing is padded.

    Raises:
        NoExactFold: If they cannot be said in the graph's opset.
    """
    automatic = attribute(node, "auto_pad", "NOTSET")
    rank = len(kernel)
    strides = np.array(attribute(node, "strides", [1] * rank))
    dilations = np.array(attribute(node, "dilations", [1] * rank))
    reach = dilations * (np.array(kernel) - 1) + 1
    if automatic in {"NOTSET", "", "VALID"}:
        explicit = attribute(node, "pads") if automatic != "VALID" else None
        sides = list(explicit or [0] * (2 * rank))
        return _widths(sides[:rank], sides[rank:]) if any(sides) else None
    lower = automatic == "SAME_LOWER"
    if (strides == 1).all() or None not in size:
        known = np.array([n or 1 for n in size])
        total = np.maximum((-(-known // strides) - 1) * strides + reach - known, 0)
        less, more = total // 2, total - total // 2
        first, last = (more, less) if lower else (less, more)
        return _widths(first.tolist(), last.tolist()) if total.any() else None
    if to.opset < INTEGER_MAX:
        raise NoExactFold(
            f"{named(node)} pads by {automatic} to a size that the file leaves open, in opset "
            f"{to.opset}"
        )
    return _computed_widths(to, pixels, strides, reach, lower=lower)


def _widths(first: list[int], last: list[int]) -> Widths:
    return Widths((0, 0, *first, 0, 0, *last))


def _computed_widths(
    to: Nodes, pixels: str, strides: np.ndarray, reach: np.ndarray, *, lower: bool
) -> Widths:
    # total = max((ceil(size / stride) - 1) * stride + reach - size, 0), split in two.
    axes = to.constant("axes", np.arange(2, 2 + len(strides)))
    size = to.add("Gather", to.add("Shape", pixels), axes, axis=0)
    step = to.constant("strides", strides.astype(np.int64))
    rounded = to.add("Add", size, to.constant("round", (strides - 1).astype(np.int64)))
    spanned = to.add("Mul", to.add("Div", rounded, step), step)
    over = to.add("Add", spanned, to.constant("reach", (reach - strides).astype(np.int64)))
    total = to.add("Max", to.add("Sub", over, size), to.constant("zero", np.array([0])))
    less = to.add("Div", total, to.constant("two", np.array([2])))
    more = to.add("Sub", total, less)
    none = to.constant("none", np.array([0, 0]))
    first, last = (more, less) if lower else (less, more)
    return Widths(name=to.add("Concat", none, first, none, last, axis=0))
