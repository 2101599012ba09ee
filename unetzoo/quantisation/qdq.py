"""A float32 ONNX file to one in 8 bits."""

import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from onnxruntime import quantization

__all__ = ["quantise"]

# layers, and what only moves or compares numbers between them; the rest of a graph stays in float32
_OPERATORS = [
    "Conv", "ConvTranspose", "Gemm", "MatMul", "Add", "Relu", "Clip",
    "Concat", "Resize", "MaxPool", "AveragePool", "GlobalAveragePool",
]  # fmt: skip


def quantise(
    source: Path, target: Path, patches: Sequence[np.ndarray], *, left_out: Collection[str] = ()
) -> None:
    """Write a network whose layers multiply 8-bit numbers (static QDQ, by ONNX Runtime).

    Weights are signed and scaled per output channel; activations are unsigned, between the smallest and the
    largest value that the patches give.

    Args:
        source: A float32 ONNX file.
        target: The file to write; it carries no contract yet.
        patches: The network's input, (1, C, *size) float32 each.
        left_out: Names of nodes that stay in float32.
    """
    with _silent():
        quantization.quantize_static(
            source,
            target,
            _Patches(patches),
            quant_format=quantization.QuantFormat.QDQ,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=_OPERATORS,
            nodes_to_exclude=list(left_out),
            extra_options={"MatMulConstBOnly": True},  # products of activations, as in attention, stay
        )


class _Patches(quantization.CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, patches: Sequence[np.ndarray]) -> None:
        self.patches = iter(patches)

    def get_next(self) -> dict[str, np.ndarray] | None:
        patch = next(self.patches, None)
        return None if patch is None else {"image": patch}


@contextmanager
def _silent() -> Iterator[None]:
    """ONNX Runtime logs advice about preparation that the exporter has done."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
