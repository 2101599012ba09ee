"""Maps times one weight per pixel, in an exported graph."""

from collections import defaultdict
from typing import Any

import numpy as np

from unetzoo.onnx_graph import Tensors, replace_nodes

__all__ = ["spread_weights"]

_BLOCK = 16  # channels that lie together with the widest registers; 8 do with others
_KEEP_BLOCKS = {"Add", "Concat", "MaxPool", "Mul", "Relu", "Resize", "Sigmoid"}


def spread_weights(proto: Any) -> int:
    """Give ``sigmoid(conv(y))``, of one channel and times ``x``, as many equal channels as ``x`` has.

    Between convolutions ONNX Runtime keeps maps in blocks of channels, and multiplies them there only if
    their shapes are equal. Else an attention gate's skip leaves the blocks for the product, with all that it
    is concatenated with, and goes back into them after. A convolution to one channel computes a whole block,
    so that 16 equal channels cost nothing; the others are copies of that block. Products that leave the
    blocks anyway stay as they are.

    Args:
        proto: An ``onnx.ModelProto`` with the shapes of its tensors; changed in place.

    Returns:
        How many products were rewritten.
    """
    from onnx import helper, numpy_helper

    graph = proto.graph
    known, takers = Tensors(graph), defaultdict[str, set[str]](set)
    for node in graph.node:
        for name in node.input:
            takers[name].add(node.op_type)
    nodes, blocked, changed = list[Any](), set[str](), 0

    def one_channel(weights: str) -> tuple[Any, Any] | None:
        """The convolution and the sigmoid that make them, if this product alone takes what they make."""
        sigmoid = known.maker.get(weights)
        conv = known.maker.get(sigmoid.input[0]) if sigmoid and sigmoid.op_type == "Sigmoid" else None
        if conv is None or conv.op_type != "Conv" or not known.constants.keys() >= set(conv.input[1:]):
            return None
        filters = known.constants[conv.input[1]].dims[0]
        alone = known.taken[weights] == known.taken[conv.output[0]] == filters == 1
        return (conv, sigmoid) if alone and conv.input[0] in blocked else None

    def of_a_block(conv: Any, name: str) -> str:
        """Weights or biases of equal channels."""
        block = np.repeat(numpy_helper.to_array(known.constants[name]), _BLOCK, axis=0)
        graph.initializer.append(numpy_helper.from_array(block, f"{conv.output[0]}_{name}_block"))
        return str(graph.initializer[-1].name)

    for node in graph.node:
        nodes.append(node)
        if _in_blocks(node, blocked):
            blocked.update(node.output)
        # what takes the product must take blocks, or all channels of the weights leave them, not one
        if node.op_type != "Mul" or not set() < takers[node.output[0]] <= {"Concat", "Conv"}:
            continue
        for x, weights in (node.input, node.input[::-1]):
            found, (copies, rest) = one_channel(weights), divmod(known.channels[x], _BLOCK)
            if found is None or x not in blocked or not copies or rest:
                continue
            conv, sigmoid = found
            logits, block, spread = (f"{weights}_{what}" for what in ("logits", "block", "spread"))
            given = [conv.input[0], *(of_a_block(conv, name) for name in conv.input[1:])]
            nodes[-1:] = [
                helper.make_node("Conv", given, [logits], f"{conv.name}_block"),
                helper.make_node("Sigmoid", [logits], [block], f"{sigmoid.name}_block"),
                helper.make_node("Concat", [block] * copies, [spread], f"{sigmoid.name}_spread", axis=1),
                helper.make_node("Mul", [x, spread], node.output, node.name),
            ]
            nodes[-4].attribute.extend(conv.attribute)
            changed += 1
            break
    if changed:
        replace_nodes(graph, nodes)
    return changed


def _in_blocks(node: Any, blocked: set[str]) -> bool:
    """Whether ONNX Runtime leaves what this node makes in blocks of channels."""
    if node.op_type == "Conv":
        return next((a.i for a in node.attribute if a.name == "group"), 1) == 1
    maps = node.input[:1] if node.op_type == "Resize" else node.input
    return node.op_type in _KEEP_BLOCKS and blocked.issuperset(maps)
