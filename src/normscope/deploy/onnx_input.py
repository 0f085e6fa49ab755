"""The one input of an ONNX graph that takes images, and how it takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto, helper

from normscope.deploy.onnx_graph import attribute
from normscope.errors import NormscopeError
from normscope.models.files.image_input import one_input

if TYPE_CHECKING:
    from pathlib import Path

    import onnx

IMAGE_AXES = 4
CHANNELS_FIRST = [0, 3, 1, 2]
USUAL_CHANNELS = (1, 3, 4)
TYPES = frozenset({TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.UINT8})


@dataclass(frozen=True)
class GraphInput:
    """What an ONNX file takes.

    Attributes:
        name: The input's.
        dtype: Of its values.
        shape: Of its four axes; None where a length is open.
        axis: Of the channels: 1, or 3 where they come last.
    """

    name: str
    dtype: np.dtype
    shape: tuple[int | None, ...]
    axis: int

    @property
    def channels(self) -> int | None:
        """How many, where the file says."""
        return self.shape[self.axis]

    @property
    def size(self) -> tuple[int | None, int | None]:
        """Height and width, where the file says."""
        return (self.shape[2], self.shape[3]) if self.axis == 1 else (self.shape[1], self.shape[2])

    def arranged(self, images: np.ndarray) -> np.ndarray:
        """Images as the input takes them.

        Args:
            images: Shape ``(N, C, H, W)``.

        Returns:
            The same values in the input's order of axes and type.
        """
        moved = images if self.axis == 1 else images.transpose(0, 2, 3, 1)
        whole = moved if np.issubdtype(self.dtype, np.floating) else np.rint(moved)
        return np.ascontiguousarray(whole, dtype=self.dtype)


def image_input(model: onnx.ModelProto, path: Path, channels: int | None) -> GraphInput:
    """Find the input that takes images.

    Args:
        model: The file's content.
        path: What it is called in errors.
        channels: How many the images have, where that is known.

    Returns:
        The input.

    Raises:
        NormscopeError: If it is not one batch of images of float or uint8 values.
    """
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    one_input(path, [value.name for value in inputs])
    value = inputs[0]
    tensor = value.type.tensor_type
    shape = tuple(d.dim_value if d.dim_value > 0 else None for d in tensor.shape.dim)
    if len(shape) != IMAGE_AXES or tensor.elem_type not in TYPES:
        kind = TensorProto.DataType.Name(tensor.elem_type).lower()
        lengths = [d.dim_param or str(d.dim_value or "?") for d in tensor.shape.dim]
        raise NormscopeError(
            f"{path} must take a batch of images, 4 axes of float or uint8 values, got its input "
            f"{value.name} of {kind} values and shape ({', '.join(lengths)}). Keep the "
            "normalization outside it."
        )
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    turned = any(
        node.op_type == "Transpose" and node.input[0] == value.name
        and list(attribute(node, "perm", ())) == CHANNELS_FIRST
        for node in model.graph.node
    )  # fmt: skip
    return GraphInput(value.name, dtype, shape, _axis(shape, channels, turned))


def _axis(shape: tuple[int | None, ...], channels: int | None, turned: bool) -> int:
    wanted = USUAL_CHANNELS if channels is None else (channels,)
    first, last = shape[1] in wanted, shape[3] in wanted
    if first == last:
        return 3 if turned else 1
    return 1 if first else 3
