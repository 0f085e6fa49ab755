"""What nothing reads any more is left out of an ONNX graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from normscope.deploy.onnx_graph import inputs_of

if TYPE_CHECKING:
    import onnx


def drop_unused(model: onnx.ModelProto) -> None:
    """Leave out nodes and constants that no output depends on.

    Args:
        model: Changed in place.
    """
    graph = model.graph
    wanted = {value.name for value in graph.output}
    nodes = []
    for node in reversed(graph.node):
        if wanted & set(node.output):
            nodes.append(node)
            wanted |= set(inputs_of(node))
    constants = [tensor for tensor in graph.initializer if tensor.name in wanted]
    dropped = {tensor.name for tensor in graph.initializer} - wanted
    # Old files list constants among the inputs too.
    inputs = [value for value in graph.input if value.name not in dropped]
    del graph.node[:], graph.initializer[:], graph.input[:]
    graph.node.extend(nodes[::-1])
    graph.initializer.extend(constants)
    graph.input.extend(inputs)
