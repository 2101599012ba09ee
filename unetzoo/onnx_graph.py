"""What rewriting an exported graph takes."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

__all__ = ["replace_nodes", "uses"]


def uses(graph: Any) -> Counter[str]:
    """How many nodes take each tensor, an output's own taker included."""
    return Counter(
        [name for node in graph.node for name in _wants(node)] + [out.name for out in graph.output]
    )


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
