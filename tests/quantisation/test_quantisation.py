"""Networks in 8 bits: what they answer, what their file says, and what the gate does not let pass."""

import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from PIL import Image

from unetzoo import create_model
from unetzoo.datasets import SegmentationData
from unetzoo.inference import Predictor
from unetzoo.inference.describe import describe
from unetzoo.inference.validate import validate
from unetzoo.onnx_export import export
from unetzoo.quantisation import Gate, GateFailed, Verdict, export_quantised, quantise, sensitivity
from unetzoo.quantisation import export as steps
from unetzoo.unet import UNet


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> SegmentationData:
    """Grey squares on noise, 24 x 24 pixels; class 1 is what is brighter than 100."""
    folder, rng = tmp_path_factory.mktemp("squares"), np.random.default_rng(0)
    for name in ("images", "masks"):
        (folder / name).mkdir()
    for index in range(8):
        mask = np.zeros((24, 24), np.uint8)
        mask[4 + index : 14 + index, 5:15] = 1
        image = mask * 120 + rng.integers(20, 60, mask.shape)
        Image.fromarray(image.astype(np.uint8)).save(folder / "images" / f"c{index}.png")
        Image.fromarray(mask).save(folder / "masks" / f"c{index}.png")
    return SegmentationData(
        root=folder,
        images="images",
        masks="masks",
        classes={"background": 0, "square": 1},
        normalise={"method": "fixed", "mean": [100.0], "std": [50.0]},
        val_fraction=0.25,
        patch=(16, 16),
    )


@pytest.fixture(scope="module")
def model(data: SegmentationData) -> UNet:
    """A U-Net in which pixels above 0 are class 1, and the deeper row adds a little noise."""
    torch.manual_seed(0)
    net = create_model(
        "unet",
        encoder="conv2d",
        in_channels=1,
        num_classes=2,
        overrides={"encoder.channels": [4, 8], "decoder.channels": [4]},
    ).eval()
    net.data = data.spec
    with torch.no_grad():
        for name in ("encoder.stages.0.0", "encoder.stages.0.3", "decoder.blocks.0.0", "decoder.blocks.0.3"):
            weight = net.get_parameter(f"{name}.weight")
            weight.mul_(0.05)
            weight[0, 0, 1, 1] = 1.0
        head = net.heads[0].get_submodule("conv")
        head.get_parameter("weight").mul_(0.05)[1, 0, 1, 1] = 2.0
        head.get_parameter("bias").copy_(torch.tensor([0.5, 0.0]))
    return net


@pytest.fixture(scope="module")
def full(model: UNet, data: SegmentationData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(model, tmp_path_factory.mktemp("full") / "full.onnx", data=data.spec, dynamic=True)


@pytest.fixture(scope="module", autouse=True)
def _exported_once(full: Path) -> Iterator[None]:
    """The float32 file is the same for all, and takes longest."""

    def copied(model: UNet, path: Path, **how: object) -> Path:
        return Path(shutil.copy(full, path))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps, "export", copied)
        yield


@pytest.fixture(scope="module")
def int8(
    _exported_once: None, model: UNet, data: SegmentationData, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return export_quantised(model, tmp_path_factory.mktemp("int8") / "model.onnx", data, patches=8)


def test_network_in_8_bits_runs_in_the_runtime_and_agrees(
    int8: Path, model: UNet, data: SegmentationData
) -> None:
    assert any(line.startswith("network") for line in validate(int8))
    image = data.read(data.cases("test")[0]).image
    with torch.no_grad():
        logits = model(torch.from_numpy((image.data.astype(np.float32) - 100) / 50)[None])
    expected = logits.argmax(1)[0].numpy()
    backends = [Predictor.from_onnx, *([Predictor.from_openvino] if find_spec("openvino") else [])]
    for predictor in (opened(int8) for opened in backends):
        assert 0 < expected.mean() < 1
        assert (predictor.labels(image) == expected).mean() > 0.99


def test_layers_multiply_8_bits_and_no_other_domain_is_needed(int8: Path) -> None:
    graph = onnx.load(int8)
    types = {t.data_type for t in graph.graph.initializer if t.dims and len(t.dims) == 4}
    assert types == {onnx.TensorProto.INT8}
    assert {entry.domain for entry in graph.opset_import} <= {"", "ai.onnx"}


def test_file_says_what_8_bits_cost(int8: Path, data: SegmentationData) -> None:
    contract = Predictor.from_onnx(int8).contract
    found = contract.quantisation
    assert found is not None
    assert (found.precision, found.patches, found.cases) == ("int8", 8, len(data.cases("val")))
    assert found.dice_before > 0.9
    assert abs(found.dice_before - found.dice_after) <= 0.01
    assert "computed in    int8: Dice" in describe(contract)


def test_gate_refuses_ranges_taken_from_the_wrong_images(
    model: UNet, data: SegmentationData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = steps._training_patches
    monkeypatch.setattr(steps, "_training_patches", lambda *a: [0.01 * x for x in honest(*a)])
    told: list[str] = []
    with pytest.raises(
        GateFailed, match=r"int8 loses \d\.\d+ of the Dice .* gate.dice_drop=0.01, so nothing"
    ):
        export_quantised(model, tmp_path / "model.onnx", data, patches=2, tell=told.append)
    assert list(tmp_path.iterdir()) == []
    # every attempt leaves more layers in float32
    attempts = [line.count("node_") for line in told if line.startswith("int8")]
    assert attempts == sorted(set(attempts))
    assert attempts[:2] == [0, 1]


def test_layers_are_left_out_until_the_gate_is_met(
    model: UNet, data: SegmentationData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge, calls = Gate.judge, []

    def twice_bad(self: Gate, *after: Predictor) -> Verdict:
        verdict = judge(self, *after)
        calls.append(verdict)
        return verdict._replace(after=0.0) if len(calls) < 3 else verdict

    monkeypatch.setattr(Gate, "judge", twice_bad)
    path = export_quantised(model, tmp_path / "model.onnx", data, patches=2)
    found = Predictor.from_onnx(path).contract.quantisation
    assert found is not None
    floats = {n.name for n in onnx.load(path).graph.node if n.op_type == "Conv"}
    assert len(found.left_out) == 2
    assert set(found.left_out) <= floats


def test_layer_with_an_outlier_among_its_weights_is_the_most_sensitive(full: Path, tmp_path: Path) -> None:
    proto = onnx.load(full)
    convolutions = [n for n in proto.graph.node if n.op_type == "Conv"]
    before, outlier = convolutions[:2]
    weights = {t.name: t for t in proto.graph.initializer}

    def change(name: str, at: tuple[int | slice, ...], value: float) -> None:
        array = numpy_helper.to_array(weights[name]).copy()
        array[at] = value
        weights[name].CopyFrom(numpy_helper.from_array(array, name))

    # the last channel is always 0, and the weights that multiply it leave no steps for the others
    change(before.input[1], (3,), 0.0)
    change(outlier.input[1], (slice(None), 3), 1000.0)
    onnx.save(proto, tmp_path / "full.onnx")
    patches = [np.random.default_rng(i).standard_normal((1, 1, 16, 16), dtype=np.float32) for i in range(2)]
    quantise(tmp_path / "full.onnx", tmp_path / "int8.onnx", patches)
    errors = sensitivity(tmp_path / "full.onnx", tmp_path / "int8.onnx", patches)
    assert set(errors) == {n.name for n in convolutions}
    assert next(iter(errors)) == outlier.name
    assert list(errors.values()) == sorted(errors.values(), reverse=True)


def test_bfloat16_is_openvinos_and_measured(model: UNet, data: SegmentationData, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    from unetzoo.inference.openvino_network import has_bfloat16

    if not has_bfloat16():
        pytest.skip("this processor has no bfloat16")
    path = export_quantised(model, tmp_path / "model.onnx", data, precision="bf16")
    found = Predictor.from_onnx(path).contract.quantisation
    assert found is not None
    assert (found.precision, found.patches, found.left_out) == ("bf16", 0, ())
    x = np.random.default_rng(0).standard_normal((1, 1, 16, 16), dtype=np.float32)
    exact, rounded = Predictor.from_onnx(path).network(x), Predictor.from_openvino(path).network(x)
    assert 1e-4 < np.abs(exact - rounded).max() / np.abs(exact).max() < 0.05


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        ({"precision": "int4"}, "quantize=int4 is unknown; choose int8, bf16"),
        ({"patches": 0}, "at least one training patch"),
        ({"dice_drop": 1.5}, r"gate.dice_drop=1.5"),
    ],
)
def test_impossible_arguments_are_refused(
    model: UNet, data: SegmentationData, tmp_path: Path, arguments: dict[str, object], culprit: str
) -> None:
    with pytest.raises(ValueError, match=culprit):
        export_quantised(model, tmp_path / "model.onnx", data, **arguments)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
