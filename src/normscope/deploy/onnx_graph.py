"""An ONNX graph as questions are asked of it: what is constant, and what does a part of it give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import AttributeProto, NodeProto, TensorProto, helper, numpy_helper

from normscope.errors import NormscopeError
from normscope.wording import first_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ONNX_DOMAINS = ("", "ai.onnx")

FLOATS = frozenset({TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE})
"""The types of weights that are folded."""

NOT_CONSTANT = frozenset(
    {
        "Bernoulli", "DequantizeLinear", "Multinomial", "RandomNormal", "RandomNormalLike",
        "RandomUniform", "RandomUniformLike",
    }
)  # fmt: skip
"""Operations whose results are not constant though all they read is, or are integers at heart."""


class Graph:
    """A model's graph.

    Args:
        model: Not changed; its own functions are looked into.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        model = self.model = _plain(model)
        self.initializers = {t.name: t for t in model.graph.initializer}
        self.producers = {out: node for node in model.graph.node for out in node.output if out}
        self.opset = next(
            (o.version for o in model.opset_import if o.domain in ONNX_DOMAINS), 1
        )  # fmt: skip
        self.constants = set(self.initializers)
        for node in model.graph.node:
            if self._is_constant(node):
                self.constants |= set(node.output)
        self._arrays: dict[str, np.ndarray] = {}

    def _is_constant(self, node: NodeProto) -> bool:
        if node.op_type in NOT_CONSTANT or node.domain not in ONNX_DOMAINS:
            return False
        return all(name in self.constants or not name for name in inputs_of(node))

    @property
    def outputs(self) -> set[str]:
        """The names of what the graph gives."""
        return {value.name for value in self.model.graph.output}

    def array(self, name: str) -> np.ndarray:
        """A constant's values, computed where nodes compute it.

        Args:
            name: In ``constants``.

        Returns:
            Its array; not to be changed.
        """
        if name not in self._arrays:
            if name in self.initializers:
                self._arrays[name] = numpy_helper.to_array(self.initializers[name])
            else:
                (self._arrays[name],) = self.run([name], {})
        return self._arrays[name]

    def run(
        self, names: Sequence[str], given: Mapping[str, np.ndarray], *, wide: bool = False
    ) -> list[np.ndarray]:
        """Run the part of the graph that some values need, by the reference implementation.

        Args:
            names: The values wanted.
            given: Values that are known.
            wide: Compute in float64 whatever the graph says, and pad with the edge's own values.

        Returns:
            The values, in the order of their names.

        Raises:
            NormscopeError: If they cannot be computed.
        """
        from onnx.reference import ReferenceEvaluator

        nodes, used = self._needed(names, given)
        constants = [self.initializers[name] for name in used if name in self.initializers]
        if wide:
            nodes, constants = [_wide_node(n) for n in nodes], [_wide_tensor(t) for t in constants]
        graph = helper.make_graph(
            nodes,
            "part",
            [
                helper.make_tensor_value_info(
                    name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
                )
                for name, array in given.items()
            ],
            [onnx.ValueInfoProto(name=name) for name in names],
            constants,
        )
        part = helper.make_model(graph, opset_imports=list(self.model.opset_import))
        try:
            with np.errstate(all="ignore"):
                found = ReferenceEvaluator(part).run(None, dict(given))
        except Exception as error:
            shapes = [array.shape for array in given.values()]
            raise NormscopeError(
                "the nodes in front of the graph's first layer must run"
                f"{f' on images of shape {shapes[0]}' if shapes else ''}, got: "
                f"{first_line(error)}. Give its --image-size and --channels."
            ) from error
        return [np.asarray(values) for values in found]

    def _needed(
        self, names: Iterable[str], given: Mapping[str, np.ndarray]
    ) -> tuple[list[NodeProto], set[str]]:
        wanted = set(names) - given.keys()
        nodes = []
        for node in reversed(self.model.graph.node):
            if wanted & set(node.output):
                nodes.append(node)
                wanted |= set(inputs_of(node)) - given.keys()
        return nodes[::-1], wanted


def inputs_of(node: NodeProto) -> list[str]:
    """The values that a node reads, those that only a graph inside it reads among them."""
    names = list(node.input)
    for attribute in node.attribute:
        inner = [attribute.g] if attribute.type == AttributeProto.GRAPH else list(attribute.graphs)
        for graph in inner:
            own = {value.name for value in graph.input} | {t.name for t in graph.initializer}
            own |= {name for within in graph.node for name in within.output}
            read = [name for within in graph.node for name in inputs_of(within)]
            read += [value.name for value in graph.output]
            names += [name for name in read if name not in own]
    return names


def attribute(node: NodeProto, name: str, default: Any = None) -> Any:
    """A node's attribute, strings as text.

    Args:
        node: The node.
        name: The attribute's.
        default: What it is where the node does not say.

    Returns:
        Its value.
    """
    for met in node.attribute:
        if met.name == name:
            value = helper.get_attribute_value(met)
            return value.decode() if isinstance(value, bytes) else value
    return default


def named(node: NodeProto) -> str:
    """What a node is called in sentences."""
    return f"{node.op_type} '{node.name or node.output[0]}'"


def _plain(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model without functions of its own, and without casts to the type of an input."""
    if model.functions:
        from onnx.inliner import inline_local_functions

        model = inline_local_functions(model)
    types = {value.name: value.type.tensor_type.elem_type for value in model.graph.input}
    if not any(_casts_like(node, types) for node in model.graph.node):
        return model
    plain = onnx.ModelProto()
    plain.CopyFrom(model)
    for node in plain.graph.node:
        if _casts_like(node, types):
            node.op_type = "Cast"
            node.attribute.append(helper.make_attribute("to", types[node.input.pop()]))
    return plain


def _casts_like(node: NodeProto, types: Mapping[str, int]) -> bool:
    return node.op_type == "CastLike" and node.input[1] in types and not node.attribute


def _wide_tensor(tensor: TensorProto) -> TensorProto:
    if tensor.data_type not in FLOATS:
        return tensor
    return numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name)


def _wide_node(node: NodeProto) -> NodeProto:
    wide = NodeProto()
    wide.CopyFrom(node)
    for met in wide.attribute:
        if met.type == AttributeProto.TENSOR:
            met.t.CopyFrom(_wide_tensor(met.t))
        elif met.name in {"value_float", "value_floats"} and node.op_type == "Constant":
            value = np.asarray(helper.get_attribute_value(met), np.float64)
            met.CopyFrom(helper.make_attribute("value", numpy_helper.from_array(value)))
        elif met.name == "to" and node.op_type == "Cast" and met.i in FLOATS:
            met.i = TensorProto.DOUBLE
        elif met.name == "mode" and node.op_type == "Pad":
            met.s = b"edge"
    if node.op_type == "Pad" and attribute(node, "mode") is None:
        wide.attribute.append(helper.make_attribute("mode", "edge"))
    return wide
