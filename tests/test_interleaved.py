"""Convolutions of upsampled maps, before and after they are rewritten."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from unetzoo.interleaved import FEWEST, interleave

SIZES = [(1, 5), (2, 2), (7, 4)]


def decoder_step(
    order: tuple[str, ...], *, up: int = FEWEST, bias: bool = True, mode: str = "nearest", stride: int = 1
) -> onnx.ModelProto:
    """conv(cat(skips, up(x))) of any size, the parts in the order given."""
    rng = np.random.default_rng(0)
    widths = {"a": 3, "b": 2, "up": up}
    weight = rng.standard_normal((5, sum(widths[name] for name in order), 3, 3)).astype(np.float32)
    tensors: dict[str, np.ndarray] = {
        "weight": weight,
        "bias": np.arange(5, dtype=np.float32),
        "by": np.array([1, 1, 2, 2], np.float32),
    }
    given = [name for name in order if name != "up"]
    nodes = [
        helper.make_node(
            "Resize", ["x", "", "by"], ["up"], mode=mode, nearest_mode="floor",
            coordinate_transformation_mode="asymmetric",
        ),
        helper.make_node("Concat", order, ["cat"], axis=1),
        helper.make_node(
            "Conv", ["cat", "weight", "bias"][: 2 + bias], ["y"], "conv", pads=[1] * 4, strides=[stride] * 2
        ),
    ]  # fmt: skip

    def shaped(name: str, channels: int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", channels, f"{name}h", f"{name}w"])

    graph = helper.make_graph(
        nodes,
        "step",
        [shaped("x", up), *(shaped(name, widths[name]) for name in given)],
        [shaped("y", 5)],
        [numpy_helper.from_array(array, name) for name, array in tensors.items() if bias or name != "bias"],
        value_info=[shaped("up", up)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def answers(proto: onnx.ModelProto) -> list[np.ndarray]:
    onnx.checker.check_model(proto)
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    found, rng = list[np.ndarray](), np.random.default_rng(1)
    for size in SIZES:
        feeds = {}
        for given in session.get_inputs():
            shape = size if given.name == "x" else tuple(2 * s for s in size)
            feeds[given.name] = rng.standard_normal((2, given.shape[1], *shape)).astype(np.float32)
        found += session.run(None, feeds)
    return found


@pytest.mark.parametrize("order", [("a", "up"), ("up", "a"), ("a", "up", "b")])
@pytest.mark.parametrize("bias", [True, False])
def test_rewritten_convolution_answers_the_same(order: tuple[str, ...], bias: bool) -> None:
    proto = decoder_step(order, bias=bias)
    expected = answers(proto)
    assert interleave(proto) == 1
    assert not any(node.op_type == "Resize" for node in proto.graph.node)
    for one, other in zip(answers(proto), expected, strict=True):
        assert np.abs(one - other).max() <= 1e-5 * np.abs(other).max()


def test_what_a_branch_takes_from_around_it_is_kept() -> None:
    proto = decoder_step(("a", "up"))
    graph = proto.graph
    ten = numpy_helper.from_array(np.full((), 10, np.float32), "ten")
    yes = numpy_helper.from_array(np.full((), True), "yes")
    result = helper.make_tensor_value_info("z", TensorProto.FLOAT, [])
    # the upsampled map, too, whose Resize then stays
    body = [
        helper.make_node("ReduceMax", ["up"], ["m"], keepdims=0),
        helper.make_node("Mul", ["m", "ten"], ["z"]),
    ]
    branch = helper.make_graph(body, "branch", [], [result])
    graph.node.append(helper.make_node("If", ["yes"], ["z"], then_branch=branch, else_branch=branch))
    graph.initializer.extend([ten, yes])
    graph.output.append(result)
    expected = answers(proto)
    assert interleave(proto) == 1
    for one, other in zip(answers(proto), expected, strict=True):
        assert np.abs(one - other).max() <= 1e-5 * np.abs(other).max()


@pytest.mark.parametrize(
    "change", [{"mode": "linear"}, {"stride": 2}, {"up": FEWEST - 1}, {"order": ("up",)}]
)
def test_what_is_no_such_convolution_stays(change: dict[str, object]) -> None:
    proto = decoder_step(**({"order": ("a", "up")} | change))  # type: ignore[arg-type]
    before = proto.SerializeToString()
    assert interleave(proto) == 0
    assert proto.SerializeToString() == before
