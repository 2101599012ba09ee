from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from unetzoo import create_model
from unetzoo.inference.contract import METADATA_KEY, Contract, DataSpec
from unetzoo.inference.network import OnnxNetwork
from unetzoo.onnx_export import export
from unetzoo.predictor import weights_sha256
from unetzoo.unet import UNet


def small(model: str = "unet", channels: tuple[int, ...] = (4, 8)) -> UNet:
    torch.manual_seed(0)
    overrides = {"encoder.channels": list(channels), "decoder.channels": list(channels)}
    return create_model(model, encoder="conv2d", in_channels=2, overrides=overrides).eval()


def test_the_file_carries_its_contract(tmp_path: Path, data_of: Callable[..., DataSpec]) -> None:
    model = small()
    data = data_of(model, (24, 32), unit="m", spacing=(0.5, 0.5), nodata=-9999.0)
    model.metrics, model.run_config = {"val/dice": 0.75}, "seed: 3\n"
    path = export(model, tmp_path / "new" / "model.onnx", data=data, opset=19, licence="CC-BY-4.0")
    proto = onnx.load(path)
    assert [entry.version for entry in proto.opset_import if entry.domain == ""] == [19]
    contract = Contract.from_json({entry.key: entry.value for entry in proto.metadata_props}[METADATA_KEY])
    assert contract == Contract(
        name="UNet(ConvEncoder, ConcatSkip, ConvDecoder)",
        data=data,
        activation="softmax",
        divisor=(2, 2),
        dynamic_size=False,
        licence="CC-BY-4.0",
        weights_sha256=weights_sha256(model),
        metrics={"val/dice": 0.75},
        config="seed: 3\n",
    )
    # nothing of the machine that wrote it
    assert str(Path(__file__).parents[1]).encode() not in path.read_bytes()
    assert not any(node.metadata_props for node in proto.graph.node)
    network = OnnxNetwork(path)
    assert network.contract == contract
    # the batch is free, the size is not
    assert network(np.zeros((5, 2, 24, 32), np.float32)).shape == (5, 2, 24, 32)
    with pytest.raises(ValueError, match="failed on an input"):
        network(np.zeros((1, 2, 24, 30), np.float32))


def test_a_file_that_answers_differently_is_not_kept(
    tmp_path: Path, data_of: Callable[..., DataSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, honest = small(), OnnxNetwork.__call__
    monkeypatch.setattr(OnnxNetwork, "__call__", lambda self, batch: honest(self, batch) + 0.01)
    with pytest.raises(ValueError, match=r"differs from torch by .* nothing was written"):
        export(model, tmp_path / "model.onnx", data=data_of(model, (16, 16)))
    monkeypatch.setattr(OnnxNetwork, "__call__", lambda self, batch: honest(self, batch) * np.nan)
    with pytest.raises(ValueError, match="differs from torch by nan"):
        export(model, tmp_path / "model.onnx", data=data_of(model, (16, 16)))
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_exported_is_refused_by_name(tmp_path: Path, data_of: Callable[..., DataSpec]) -> None:
    model, path = small(), tmp_path / "model.onnx"
    with pytest.raises(ValueError, match="opset 17 is not supported; choose 18, 19, 20"):
        export(model, path, data=data_of(model, (16, 16)), opset=17)
    with pytest.raises(ValueError, match="does not know its data"):
        export(model, path)
    with pytest.raises(ValueError, match="takes 2 bands in 2D but the data has 1 in 2D"):
        export(model, path, data=data_of(small(), (16, 16), bands=("red",)))
    same_padding = create_model(encoder="tf_efficientnet_lite0", overrides={"encoder.depth": 2})
    with pytest.raises(
        ValueError, match=r"tf_efficientnet_lite0 depends on the image.s size; export with dynamic=false"
    ):
        export(same_padding, path, data=data_of(same_padding, (16, 16)), dynamic=True)
    assert list(tmp_path.iterdir()) == []


def test_pruned_files_shrink_and_carry_no_dead_weights(
    tmp_path: Path, data_of: Callable[..., DataSpec]
) -> None:
    model = small("unet_plus_plus", (4, 8, 8))
    sizes = []
    for depth in (1, 2):
        pruned = model.prune(depth)
        path = export(pruned, tmp_path / f"l{depth}.onnx", data=data_of(pruned, (32, 32)))
        graph = onnx.load(path).graph
        used = {name for node in graph.node for name in node.input}
        assert {tensor.name for tensor in graph.initializer} <= used
        weights = sum(int(np.prod(tensor.dims)) for tensor in graph.initializer)
        # batch norms are folded into the convolutions, so fewer numbers are left than the network has
        assert weights <= sum(t.numel() for t in pruned.state_dict().values())
        sizes.append(path.stat().st_size)
    assert sizes == sorted(set(sizes))


def test_weights_hash_follows_every_weight() -> None:
    one, same = small(), small()
    assert weights_sha256(one) == weights_sha256(same)
    with torch.no_grad():
        next(iter(same.parameters())).view(-1)[0] += 1e-6
    assert weights_sha256(one) != weights_sha256(same)
