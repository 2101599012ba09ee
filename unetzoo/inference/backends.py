"""What computes an exported network: ONNX Runtime, OpenVINO, or whichever is faster here."""

import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from .network import OnnxNetwork
from .openvino_network import OpenVinoNetwork
from .windows import Network

BACKENDS = ("onnxruntime", "openvino", "auto")
PROVIDERS = {
    "cpu": ["CPUExecutionProvider"],
    "cuda": ["CUDAExecutionProvider", "CPUExecutionProvider"],
    "tensorrt": ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"],
}
_ROUNDS = 3


def open_network(
    path: str | Path, backend: str, device: str, threads: int | None, tell: Callable[[str], None]
) -> OnnxNetwork | OpenVinoNetwork:
    """An exported network; arguments and errors as of `Predictor.open`."""
    if backend not in BACKENDS:
        raise ValueError(f"backend '{backend}' is unknown; choose {', '.join(BACKENDS)}")
    if device not in PROVIDERS:
        raise ValueError(f"device '{device}' is unknown; choose {', '.join(PROVIDERS)}")
    if backend == "openvino":
        if device != "cpu":
            raise ValueError(
                f"backend openvino computes on the cpu here; take onnxruntime for device {device}"
            )
        return OpenVinoNetwork(path, threads=threads)
    network = OnnxNetwork(path, threads=threads, providers=PROVIDERS[device])
    if backend == "onnxruntime":
        return network
    if device != "cpu":
        tell(f"ONNX Runtime computes, which alone is for device {device}")
        return network
    if find_spec("openvino") is None:
        tell("ONNX Runtime computes, since OpenVINO is not installed")
        return network
    return _faster(network, OpenVinoNetwork(path, threads=threads), tell)


def _faster(
    one: OnnxNetwork, other: OpenVinoNetwork, tell: Callable[[str], None]
) -> OnnxNetwork | OpenVinoNetwork:
    """The one that answers a window sooner, taking turns, the first round not counted."""
    data = one.contract.data
    window = np.zeros((1, len(data.bands), *data.tile), np.float32)
    seconds: dict[str, list[float]] = {"ONNX Runtime": [], "OpenVINO": []}
    networks: list[Network] = [one, other]
    for _ in range(1 + _ROUNDS):
        for name, network in zip(seconds, networks, strict=True):
            begun = time.perf_counter()
            network(window)
            seconds[name].append(time.perf_counter() - begun)
    best = {name: min(times[1:]) for name, times in seconds.items()}
    a, b = best.values()
    chosen, left = ("ONNX Runtime", "OpenVINO") if a <= b else ("OpenVINO", "ONNX Runtime")
    tell(
        f"{chosen} computes: {1000 * best[chosen]:.3g} ms per window of {' x '.join(map(str, data.tile))}, "
        f"{left} {1000 * best[left]:.3g} ms"
    )
    return one if chosen == "ONNX Runtime" else other
