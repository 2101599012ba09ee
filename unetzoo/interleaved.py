"""Convolutions of upsampled maps, computed before the upsampling, in an exported graph."""

from typing import Any

import numpy as np

from unetzoo.onnx_graph import Tensors, replace_nodes

__all__ = ["FEWEST", "interleave"]

FEWEST = 128
"""Upsampled channels from which this wins; docs/performance.md."""
_INNER = {"from": [1, 1], "to": [-1, -1], "axes": [2, 3]}


def interleave(proto: Any) -> int:
    """Rewrite every 3 x 3 convolution of skips beside a map that was doubled by repeating pixels.

    A pixel of such a map has 2 x 2 different values around it and not 3 x 3. So each of the four pixels that
    repeat one is a 2 x 2 convolution of the small map, with the sums of those weights that meet the same
    value: 16 products in place of 36. All four are channels of one convolution whose output DepthToSpace
    interleaves, and it is added to the convolution of the skips. The result is the same but for rounding.

    A decoder's step ``conv(cat(skip, up(x)))`` in 2D is of this kind, UNet++'s nodes are, too.

    Args:
        proto: An ``onnx.ModelProto`` with the shapes of its tensors; changed in place.

    Returns:
        How many convolutions were rewritten.
    """
    from onnx import helper, numpy_helper

    graph = proto.graph
    known = Tensors(graph)
    constants, maker, channels = known.constants, known.maker, known.channels
    nodes, changed = list[Any](), 0

    def constant(name: str, array: np.ndarray) -> str:
        if name not in constants:
            graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
            constants[name] = graph.initializer[-1]
        return name

    for node in graph.node:
        joined = maker.get(node.input[0]) if node.input else None
        if joined is None or not _fits(node, joined, known):
            nodes.append(node)
            continue
        doubled = [
            name
            for name in joined.input
            if name in maker and _doubles(maker[name], constants) and channels[name] >= FEWEST
        ]
        kept = [name for name in joined.input if name not in doubled]
        if len(doubled) != 1 or not kept or not all(channels[name] for name in joined.input):
            nodes.append(node)
            continue
        out = node.output[0]
        weights = numpy_helper.to_array(constants[node.input[1]])
        places = np.cumsum([channels[name] for name in joined.input])[:-1]
        part = dict(zip(joined.input, np.split(weights, places, axis=1), strict=True))
        rest = constant(f"{out}_skips_weight", np.concatenate([part[name] for name in kept], 1))
        small = constant(f"{out}_small_weight", _phases(part[doubled[0]]))
        skips = kept[0]
        if len(kept) > 1:
            skips = f"{out}_skips"
            nodes.append(helper.make_node("Concat", kept, [skips], f"{joined.name}_skips", axis=1))
        # the interleaved map has half a pixel of the small one too many on all sides
        ends = [constant(f"interleave_{key}", np.array(value)) for key, value in _INNER.items()]
        source = maker[doubled[0]].input[0]
        phases, woven, large, beside = (f"{out}_{what}" for what in ("phases", "woven", "large", "skip"))
        nodes += [
            helper.make_node("Conv", [source, small], [phases], f"{node.name}_phases", pads=[1] * 4),
            helper.make_node("DepthToSpace", [phases], [woven], f"{node.name}_weave", blocksize=2),
            helper.make_node("Slice", [woven, *ends], [large], f"{node.name}_crop"),
            helper.make_node("Conv", [skips, rest, *node.input[2:]], [beside], node.name),
            helper.make_node("Add", [beside, large], [out], f"{node.name}_sum"),
        ]
        nodes[-2].attribute.extend(node.attribute)
        changed += 1
    if changed:
        replace_nodes(graph, nodes)
    return changed


def _phases(weight: np.ndarray) -> np.ndarray:
    """(O, C, 3, 3) to (4 * O, C, 2, 2): a convolution per place within the doubled pixel."""
    # along one axis, rows of the 2-tap kernel for the second and for the first of the two pixels
    sums = np.array([[[1, 1, 0], [0, 0, 1]], [[1, 0, 0], [0, 1, 1]]], weight.dtype)
    taps: np.ndarray = np.einsum("aks,blt,ocst->abockl", sums, sums, weight)
    return taps.reshape(-1, *taps.shape[3:])


def _fits(node: Any, joined: Any, known: Tensors) -> bool:
    if node.op_type != "Conv" or joined.op_type != "Concat" or known.taken[joined.output[0]] != 1:
        return False
    how = {a.name: list(a.ints) or a.i for a in node.attribute}
    plain = [1, 1]
    return (
        node.input[1] in known.constants
        and list(known.constants[node.input[1]].dims[2:]) == [3, 3]
        and how.get("pads") == [1] * 4
        and how.get("strides", plain) == how.get("dilations", plain) == plain
        and how.get("group", 1) == 1
        and [a.i for a in joined.attribute if a.name == "axis"] == [1]
    )


def _doubles(node: Any, constants: dict[str, Any]) -> bool:
    from onnx import numpy_helper

    if node.op_type != "Resize" or len(node.input) != 3 or node.input[2] not in constants:
        return False
    how = {a.name: a.s for a in node.attribute}
    by = numpy_helper.to_array(constants[node.input[2]])
    return (
        how.get("mode") == b"nearest"
        and how.get("nearest_mode") == b"floor"
        and how.get("coordinate_transformation_mode") == b"asymmetric"
        and by.tolist() == [1, 1, 2, 2]
    )
