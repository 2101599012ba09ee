"""An exported network in ONNX Runtime, with the contract that its file carries."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .contract import METADATA_KEY, Contract
from .files import FileError, existing, first_line
from .integrity import CHECKSUM_KEY, checksum, external_files


class OnnxNetwork:
    """(B, C, *size) float32 to logits (B, K, *size) float32, with all graph optimisations on.

    Args:
        threads: Of one operation; None lets ONNX Runtime take all cores.
        providers: ONNX Runtime's names of what computes, in order of preference; all must be there.

    Raises:
        FileError: If the file is damaged or was changed, was not exported by unetzoo, takes its weights from
            outside of its folder, or contradicts its own contract.
        ValueError: If a provider is missing; there is no silent fallback to the CPU.
        ImportError: If onnxruntime is not installed.
    """

    def __init__(
        self, path: str | Path, *, threads: int | None = None, providers: Sequence[str] | None = None
    ) -> None:
        onnxruntime = _onnxruntime()
        self.path = existing(path)
        self.identity = identity(self.path)
        external_files(self.path)
        wanted = list(providers or ["CPUExecutionProvider"])
        _require(wanted, onnxruntime.get_available_providers())
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = 4  # what goes wrong is raised; its log would only repeat it
        # or threads wait awake for the next batch, on processors that an ensemble's other models need
        options.add_session_config_entry("session.force_spinning_stop", "1")
        if threads is not None:
            options.intra_op_num_threads = threads
        try:
            self.session = onnxruntime.InferenceSession(str(self.path), options, providers=wanted)
        except Exception as error:  # onnxruntime raises a class of its own for every kind of damage
            raise FileError(f"{self.path}: ONNX Runtime cannot load it ({first_line(error)})") from error
        # a provider whose libraries do not load is left out by ONNX Runtime with nothing but a log line
        _require(wanted, self.session.get_providers())
        metadata = self.session.get_modelmeta().custom_metadata_map
        self.verified = require_intact(self.path, metadata.get(CHECKSUM_KEY))
        takes = self.session.get_inputs()[0].shape
        self.contract = read_contract(metadata.get(METADATA_KEY), takes, self.path)
        self._input = self.session.get_inputs()[0].name
        self._output = self.session.get_outputs()[0].name

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        """Logits of a batch."""
        try:
            logits = self.session.run([self._output], {self._input: np.ascontiguousarray(batch, np.float32)})[
                0
            ]
        except Exception as error:
            raise FileError(
                f"{self.path}: the network failed on an input of {batch.shape} ({first_line(error)})"
            ) from error
        return np.asarray(logits, np.float32)


def read_contract(text: str | None, takes: Sequence[object], path: Path) -> Contract:
    """The contract from an ONNX file's metadata, if it agrees with the network beside it.

    Args:
        text: What the metadata holds under ``METADATA_KEY``.
        takes: The network's input shape; whatever is no number is free.
    """
    if text is None:
        raise FileError(f"{path}: was not exported by unetzoo, it carries no contract; use 'unetzoo export'")
    try:
        contract = Contract.from_json(text)
    except ValueError as error:
        raise FileError(f"{path}: {error}") from error
    promised = (len(contract.data.bands), *contract.data.tile)
    fixed = [(t, p) for t, p in zip(takes[1:], promised, strict=False) if isinstance(t, int)]
    if len(takes) != 1 + len(promised) or any(t != p for t, p in fixed):
        raise FileError(
            f"{path}: the network takes {list(takes)[1:]} but its contract says {list(promised)}; "
            "export it again"
        )
    return contract


def require_intact(path: Path, expected: str | None) -> bool:
    """Refuse a file that is not what was exported; False if it has no checksum and cannot be told."""
    if expected is not None and checksum(path) != expected:
        raise FileError(
            f"{path}: its network or weights are not those that were exported (SHA-256 differs); "
            "get the file again, or export the model again"
        )
    return expected is not None


def identity(path: Path) -> str:
    """Differs between two models, and between two states of one file."""
    known = path.stat()
    return f"{path.resolve()} {known.st_size} {known.st_mtime_ns}"


def _require(wanted: Sequence[str], there: Sequence[str]) -> None:
    missing = [name for name in wanted if name not in there]
    if missing:
        raise ValueError(
            f"ONNX Runtime does not offer {', '.join(missing)} here, only {', '.join(there)}; "
            "install the package that has it (onnxruntime-gpu for CUDA) with its libraries"
        )


def _onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError("exported models need ONNX Runtime: pip install onnxruntime") from error
    return onnxruntime
