"""Export in fewer bits: calibrated on training patches, held against float32 on val."""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx

from unetzoo.datasets.datamodule import SegmentationData
from unetzoo.inference import Predictor
from unetzoo.inference.contract import Contract
from unetzoo.inference.integrity import external_files
from unetzoo.inference.openvino_network import has_bfloat16
from unetzoo.inference.quantisation import PRECISIONS, Quantisation
from unetzoo.network import SegmentationNetwork
from unetzoo.onnx_export import export, save_with_contract
from unetzoo.quantisation.gate import DROP, Gate, GateFailed, Verdict
from unetzoo.quantisation.qdq import quantise
from unetzoo.quantisation.sensitivity import sensitivity

__all__ = ["PATCHES", "export_quantised"]

PATCHES = 32
"""Training patches that the ranges of the activations are taken from."""
_RANKED = 4  # patches that layers are ranked on
_LARGEST = 1.5e9  # bytes; a graph with every layer twice must fit into one protobuf message of 2 GiB


def export_quantised(
    model: SegmentationNetwork,
    path: str | Path,
    data: SegmentationData,
    *,
    precision: str = "int8",
    dice_drop: float = DROP,
    patches: int = PATCHES,
    dynamic: bool = False,
    opset: int = 18,
    licence: str = "",
    tell: Callable[[str], None] = lambda _: None,
) -> Path:
    """Write an ONNX file that is computed in fewer bits, if that costs little enough Dice on val.

    ``int8``: static quantisation of all layers, calibrated on patches of the train split. Past the gate, the
    layers whose output errs most on those patches (`sensitivity`) stay in float32: one, two, four and so on
    up to half of them, until the gate is met. ``bf16``: the file is that of `export`, with leave for OpenVINO
    to round to bfloat16. The gate compares with float32 on every val case, in each back end that is installed
    and concerned, and the worst counts.

    Args:
        model: The trained network.
        path: The file to write.
        data: The set it was trained on; test is not read.
        precision: int8 | bf16.
        dice_drop: Mean Dice that may be lost, 0..1.
        patches: Training patches to calibrate on.
        dynamic, opset, licence: As of `export`.
        tell: Called with a line on what was done and found.

    Returns:
        ``path``.

    Raises:
        ValueError: If an argument is wrong, the model predicts images or cannot be exported, val has no Dice,
            or the processor has no bfloat16.
        ImportError: If ``bf16`` is asked for and OpenVINO is missing.
        GateFailed: If more Dice is lost. Nothing is written then, as with every other error.
    """
    path = Path(path)
    if precision not in PRECISIONS:
        raise ValueError(f"quantize={precision} is unknown; choose {', '.join(PRECISIONS)}, or null")
    if patches < 1:
        raise ValueError(f"calibrating needs at least one training patch; given {patches}")
    if not 0 <= dice_drop <= 1:
        raise ValueError(f"gate.dice_drop={dice_drop} is a loss of Dice, from 0 to 1")
    spec = model.data or data.spec
    if spec.target is not None:
        raise ValueError(
            f"quantize={precision} is held against float32 by Dice, and this model predicts an image; "
            "export it without"
        )
    if precision == "bf16" and not has_bfloat16():
        raise ValueError("this processor has no bfloat16, so what it costs cannot be measured here")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=path.parent) as folder:
        full = export(
            model,
            Path(folder) / "float32.onnx",
            data=spec,
            dynamic=dynamic,
            opset=opset,
            licence=licence,
            for_int8=precision == "int8",
        )
        weights = sum(file.stat().st_size for file in (full, *external_files(full)))
        if precision == "int8" and weights > _LARGEST:
            raise ValueError(
                f"the network's {weights / 1e9:.1f} GB are too many to quantise, {_LARGEST / 1e9:g} GB are "
                "the most; export it in float32 or with quantize=bf16"
            )
        float32 = Predictor.from_onnx(full)
        gate = Gate(float32, data)
        steps: Iterator[tuple[Verdict, Quantisation, Path]]
        if precision == "bf16":
            steps = _rounded(full, float32.contract, gate)
        else:
            seen = _training_patches(data, patches)
            tell(f"calibrated  on {patches} patches of train, {' x '.join(map(str, seen[0].shape[1:]))}")
            steps = _with_fewer_layers(full, float32.contract, gate, seen)
        verdict = None
        for verdict, quantisation, written in steps:
            kept = f", in float32: {', '.join(quantisation.left_out)}" if quantisation.left_out else ""
            tell(f"{precision:<11} {verdict.text()}{kept}")
            if verdict.before - verdict.after <= dice_drop:
                _publish(written, path, replace(float32.contract, quantisation=quantisation))
                return path
    assert verdict is not None
    raise GateFailed(
        f"{precision} loses {verdict.before - verdict.after:.4f} of the Dice on val "
        f"({verdict.before:.4f} in float32, {verdict.after:.4f} after), more than "
        f"gate.dice_drop={dice_drop:g}, so nothing was written; export without quantize, or allow more"
    )


def _with_fewer_layers(
    full: Path, contract: Contract, gate: Gate, patches: Sequence[np.ndarray]
) -> Iterator[tuple[Verdict, Quantisation, Path]]:
    """Attempts with ever more layers in float32."""
    bare, ranked = full.with_name("bare.onnx"), list[str]()
    count = 0
    while True:
        left_out = tuple(ranked[:count])
        quantise(full, bare, patches, left_out=left_out)
        if not count:
            ranked = list(sensitivity(full, bare, patches[:_RANKED]))
            if not ranked:
                raise ValueError("the network has no layer that int8 is for; export it without quantize")
        written = full.with_name("int8.onnx")
        save_with_contract(onnx.load(bare), written, replace(contract, quantisation=_unknown("int8")))
        verdict = gate.judge(*_predictors(written))
        yield verdict, _stated("int8", verdict, patches=len(patches), left_out=left_out), written
        count = max(1, 2 * count)
        if count > len(ranked) / 2:
            return


def _rounded(full: Path, contract: Contract, gate: Gate) -> Iterator[tuple[Verdict, Quantisation, Path]]:
    written = full.with_name("bf16.onnx")
    save_with_contract(onnx.load(full), written, replace(contract, quantisation=_unknown("bf16")))
    verdict = gate.judge(Predictor.from_openvino(written))
    yield verdict, _stated("bf16", verdict), written


def _predictors(path: Path) -> list[Predictor]:
    found = [Predictor.from_onnx(path)]
    if find_spec("openvino") is not None:
        found.append(Predictor.from_openvino(path))
    return found


def _training_patches(data: SegmentationData, count: int) -> list[np.ndarray]:
    """What the network is shown in training, not augmented, (1, C, *tile) float32 each."""
    before = data.batch_size, data.samples_per_epoch, data.num_workers
    data.batch_size, data.samples_per_epoch, data.num_workers = 1, count, 0
    try:
        return [batch["image"].numpy() for batch in data.train_dataloader()]
    finally:
        data.batch_size, data.samples_per_epoch, data.num_workers = before


def _publish(written: Path, path: Path, contract: Contract) -> None:
    """Write the file again, now that its contract can say what was measured, and give it its name."""
    final = written.parent / path.name
    proto = onnx.load(written)
    written.unlink()
    save_with_contract(proto, final, contract)
    for file in (*external_files(final), final):  # the network after its weights
        os.replace(file, path.parent / file.name)


def _unknown(precision: str) -> Quantisation:
    return Quantisation(precision, float("nan"), float("nan"), None, 0)


def _stated(
    precision: str, verdict: Verdict, *, patches: int = 0, left_out: tuple[str, ...] = ()
) -> Quantisation:
    drop = None if np.isnan(verdict.drop.low) else (verdict.drop.low, verdict.drop.high)
    return Quantisation(
        precision, verdict.before, verdict.after, drop, verdict.cases, patches=patches, left_out=left_out
    )
