"""Which layers suffer most from 8 bits."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import helper

__all__ = ["sensitivity"]

_LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def sensitivity(source: Path, quantised: Path, patches: Sequence[np.ndarray]) -> dict[str, float]:
    """The layers that were quantised, by name, with the error that this adds to each, the largest first.

    A layer's error is ``|y' - y|^2 / |y|^2``, the mean over the patches: y is its output in float32, and y'
    what it gives when its input and its weights are rounded and nothing before it is. All are found in one
    pass, through a graph that holds every layer twice.

    Args:
        source: The float32 file that ``quantised`` was made from.
        patches: The network's input, (1, C, *size) float32 each.
    """
    model, rounded = onnx.load(source), onnx.load(quantised)
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    # a bias keeps its name where it is rounded to 32 bits, which loses nothing worth measuring
    known = {name for node in graph.node for name in node.output} | constants
    made = {name: node for node in rounded.graph.node for name in node.output}
    twins = {node.name: node for node in rounded.graph.node if node.op_type in _LAYERS}
    graph.initializer.extend(t for t in rounded.graph.initializer if t.name not in constants)
    for kind in rounded.opset_import:
        if kind.domain not in {entry.domain for entry in model.opset_import}:
            model.opset_import.append(kind)
    copied, layers = set[str](), list[str]()
    for node in [n for n in graph.node if n.op_type in _LAYERS and n.name in twins]:
        twin = twins[node.name]
        rounding = [made[name] for name in twin.input if name in made and "Linear" in made[name].op_type]
        if not rounding:
            continue
        # from the rounded numbers back to the tensor of the float32 graph that they were made of
        rounding += [made[n.input[0]] for n in rounding if n.input[0] in made]
        for step in reversed(rounding):
            if step.output[0] not in copied | known:
                graph.node.append(step)
                copied.add(step.output[0])
        name = f"error_{len(layers)}"
        again = helper.make_node(twin.op_type, twin.input, [f"{name}_y"], f"{name}_twin")
        again.attribute.extend(twin.attribute)
        graph.node.extend(
            [
                again,
                helper.make_node("Sub", [f"{name}_y", node.output[0]], [f"{name}_d"]),
                helper.make_node("ReduceSumSquare", [f"{name}_d"], [f"{name}_n"], keepdims=0),
                helper.make_node("ReduceSumSquare", [node.output[0]], [f"{name}_of"], keepdims=0),
                helper.make_node("Div", [f"{name}_n", f"{name}_of"], [name]),
            ]
        )
        graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, []))
        layers.append(node.name)
    if not layers:
        return {}
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # of what the layers alone do not need; what goes wrong is raised
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    wanted = [f"error_{i}" for i in range(len(layers))]
    errors = np.nanmean([session.run(wanted, {"image": patch}) for patch in patches], axis=0)
    found = dict(zip(layers, map(float, errors), strict=True))
    return dict(sorted(found.items(), key=lambda item: item[1], reverse=True))
