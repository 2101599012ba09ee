"""What rewriting an exported graph takes."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

__all__ = ["Tensors", "replace_nodes"]


class Tensors:
    """What is known of the tensors of an ``onnx.GraphProto``, by name.

    Attributes:
        constants: Those that are given with the graph.
        maker: The node that a tensor comes from.
        taken: How often, by nodes and as an output of the graph.
        channels: Of (B, C, H, W); 0 where it is not known.
    """

    def __init__(self, graph: Any) -> None:
        self.constants = {tensor.name: tensor for tensor in graph.initializer}
        self.maker = {name: node for node in graph.node for name in node.output}
        self.taken = Counter(name for node in graph.node for name in _wants(node))
        self.taken.update(output.name for output in graph.output)
        self.channels = Counter[str]()
        for info in (*graph.value_info, *graph.input):
            if len(dims := info.type.tensor_type.shape.dim) == 4:
                self.channels[info.name] = dims[1].dim_value


def replace_nodes(graph: Any, nodes: list[Any]) -> None:
    """Give a graph these nodes, in their order, and drop those and the constants that nothing wants any more.

    Args:
        graph: An ``onnx.GraphProto``; changed in place.
        nodes: ``onnx.NodeProto``.
    """
    wanted, alive = {output.name for output in graph.output}, list[Any]()
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            alive.append(node)
            wanted.update(_wants(node))
    del graph.node[:]
    graph.node.extend(reversed(alive))
    kept = [tensor for tensor in graph.initializer if tensor.name in wanted]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _wants(node: Any) -> Iterator[str]:
    """What a node takes, and what the bodies of loops and branches take from around them."""
    yield from node.input
    for attribute in node.attribute:
        for body in (attribute.g, *attribute.graphs):
            for inner in body.node:
                yield from _wants(inner)
