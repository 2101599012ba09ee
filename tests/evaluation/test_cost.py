"""What a network costs, told from the network or from its file."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx

from unetzoo.evaluation.cost import parameters_of


def test_an_exported_file_counts_its_weights_and_not_its_shapes(tmp_path: Path) -> None:
    weight, rest = np.zeros((4, 3, 3, 3), np.float32), np.zeros(4, np.int8)
    constants: dict[str, np.ndarray] = {"w": weight, "b": rest, "s": np.arange(4)}
    tensors = [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()]
    path = tmp_path / "model.onnx"
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([], "g", [], [], tensors)), path)
    assert parameters_of(SimpleNamespace(network=SimpleNamespace(path=path))) == weight.size + rest.size


def test_a_network_says_its_parameters_itself() -> None:
    assert parameters_of(SimpleNamespace(network=SimpleNamespace(parameters=7))) == 7
    assert parameters_of(SimpleNamespace()) is None
