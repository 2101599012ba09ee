"""Products with one weight per pixel, before and after they are rewritten."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from unetzoo import create_model
from unetzoo.spread_weights import spread_weights

CASES = {
    "a map of the input": {"skip": "x"},
    "a map out of grouped convolutions": {"groups": 2},
    "a number of channels that is no multiple of a block": {"width": 40},
    "two channels of weights": {"weights": 48},
    "weights that something else takes": {"taken": True},
    "a product that leaves the blocks": {"after": "Softmax"},
    "a map of which no channels are known, as in 3D": {"known": False},
}


def gate(
    *, width: int = 48, groups: int = 1, weights: int = 1, skip: str = "skip", taken: bool = False,
    after: str = "Conv", turned: bool = False, bias: bool = True, known: bool = True,
) -> onnx.ModelProto:  # fmt: skip
    """A skip made by a convolution, its weights, and what takes the product, for images of any size."""
    rng = np.random.default_rng(0)
    tensors = {
        "first": rng.standard_normal((width, width // groups, 3, 3)),
        "theta": rng.standard_normal((8, width, 1, 1)),
        "psi": rng.standard_normal((weights, 8, 1, 1)),
        "bias": rng.standard_normal(weights),
        "last": rng.standard_normal((5, width, 1, 1)),
    }
    nodes = [
        helper.make_node("Conv", ["x", "first"], ["made"], pads=[1] * 4, group=groups),
        helper.make_node("Relu", ["made"], ["skip"]),
        helper.make_node("Conv", ["skip", "theta"], ["inner"]),
        helper.make_node("Relu", ["inner"], ["active"]),
        helper.make_node("Conv", ["active", "psi", "bias"][: 2 + bias], ["logits"], "psi"),
        helper.make_node("Sigmoid", ["logits"], ["weights"], "sigmoid"),
        helper.make_node("Mul", ["weights", skip] if turned else [skip, "weights"], ["product"], "product"),
        helper.make_node(after, ["product", "last"] if after == "Conv" else ["product"], ["y"]),
    ]
    channels = {"x": width, "skip": width, "weights": weights, "y": 5 if after == "Conv" else width}
    info = {
        name: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", n, "h", "w"])
        for name, n in channels.items()
    }
    outputs = [info["y"], info["weights"]] if taken else [info["y"]]
    inner = [info["skip"], *([] if taken else [info["weights"]])] if known else []
    constants = [numpy_helper.from_array(a.astype(np.float32), name) for name, a in tensors.items()]
    used = {name for node in nodes for name in node.input}
    constants = [c for c in constants if c.name in used]
    graph = helper.make_graph(nodes, "gate", [info["x"]], outputs, constants, value_info=inner)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def answer(proto: onnx.ModelProto, size: tuple[int, int]) -> np.ndarray:
    onnx.checker.check_model(proto)
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    width = session.get_inputs()[0].shape[1]
    x = np.random.default_rng(1).standard_normal((2, width, *size), dtype=np.float32)
    found: np.ndarray = session.run(["y"], {"x": x})[0]
    return found


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_rewritten_product_answers_the_same(turned: bool, bias: bool) -> None:
    proto = gate(turned=turned, bias=bias)
    expected = [answer(proto, size) for size in ((7, 5), (1, 1))]
    assert spread_weights(proto) == 1
    assert [len(node.input) for node in proto.graph.node if node.op_type == "Concat"] == [3]
    assert {tensor.dims[0] for tensor in proto.graph.initializer if "psi" in tensor.name} == {16}
    for size, before in zip(((7, 5), (1, 1)), expected, strict=True):
        assert np.abs(answer(proto, size) - before).max() <= 1e-5 * np.abs(before).max()
    assert spread_weights(proto) == 0


@pytest.mark.parametrize("case", CASES)
def test_kept(case: str) -> None:
    proto = gate(**CASES[case])  # type: ignore[arg-type]
    written = proto.SerializeToString(deterministic=True)
    assert spread_weights(proto) == 0
    assert proto.SerializeToString(deterministic=True) == written


def test_gated_network_stays_in_blocks(tmp_path: Path) -> None:
    widths = {"encoder.channels": [32, 64, 96], "decoder.channels": [32, 64, 96]}
    net = create_model("attention_unet", encoder="conv2d", overrides=widths).eval()
    program = torch.onnx.export(
        net, (torch.zeros(1, 3, 32, 32),), dynamo=True, opset_version=18, verbose=False
    )
    assert program is not None
    proto = program.model_proto
    before = reorders(proto, tmp_path)
    assert spread_weights(proto) == 2
    # the logits alone, or nothing on a processor for which ONNX Runtime has no blocks
    assert reorders(proto, tmp_path) == min(before, 1)


def reorders(proto: onnx.ModelProto, folder: Path) -> int:
    """How many maps leave ONNX Runtime's blocks."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    nodes = onnx.load(options.optimized_model_filepath).graph.node
    return sum(node.op_type == "ReorderOutput" for node in nodes)
