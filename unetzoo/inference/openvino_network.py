"""The same exported network in OpenVINO, faster on Intel and AMD processors."""

from pathlib import Path
from typing import Any

import numpy as np

from .contract import METADATA_KEY
from .files import FileError, existing
from .integrity import CHECKSUM_KEY, external_files
from .network import identity, read_contract, require_intact


class OpenVinoNetwork:
    """(B, C, *tile) float32 to logits (B, K, *tile) float32.

    Computed in single precision, unless the contract states what fewer bits cost: then what is not in 8 bits
    is in bfloat16 where the processor has it.

    Args:
        threads: Of the CPU; None lets OpenVINO take all cores.

    Raises:
        FileError: If the file is damaged, was not exported by unetzoo, or contradicts its own contract.
        ImportError: If openvino is not installed.
    """

    def __init__(self, path: str | Path, *, threads: int | None = None) -> None:
        openvino = _openvino()
        self.path = existing(path)
        self.identity = identity(self.path)
        external_files(self.path)
        core = openvino.Core()
        try:
            model = core.read_model(str(self.path))
        except RuntimeError as error:
            # its messages are its own stack trace, which tells a user nothing
            raise FileError(f"{self.path}: OpenVINO cannot load it, it is damaged or no ONNX file") from error
        require_intact(self.path, _metadata(model, CHECKSUM_KEY))
        takes = [d.get_length() if d.is_static else None for d in model.input(0).get_partial_shape()]
        self.contract = read_contract(_metadata(model, METADATA_KEY), takes, self.path)
        # the tile is the only size that comes, and a static size is faster than a dynamic one
        model.reshape([-1, len(self.contract.data.bands), *self.contract.data.tile])
        # without the hint processors with bf16 units would round every network to bf16
        rounded = self.contract.quantisation is not None and has_bfloat16()
        options: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "bf16" if rounded else "f32"}
        if threads is not None:
            options["INFERENCE_NUM_THREADS"] = threads
        self.compiled = core.compile_model(model, "CPU", options)

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        """Logits of a batch."""
        try:
            logits = self.compiled([np.ascontiguousarray(batch, np.float32)])[0]
        except RuntimeError as error:
            raise FileError(f"{self.path}: the network failed on an input of {batch.shape}") from error
        return np.array(logits, np.float32)


def has_bfloat16() -> bool:
    """Whether OpenVINO computes in bfloat16 on this processor."""
    return "BF16" in _openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _metadata(model: Any, key: str) -> str | None:
    """ONNX metadata arrives below "framework"."""
    place = ["framework", key]
    return str(model.get_rt_info(place).astype(str)) if model.has_rt_info(place) else None


def _openvino() -> Any:
    try:
        import openvino
    except ImportError as error:
        raise ImportError("this device needs OpenVINO: pip install 'unetzoo-runtime[openvino]'") from error
    return openvino
