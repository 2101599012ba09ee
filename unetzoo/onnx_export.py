"""Export to ONNX: a file that needs neither torch nor this library to be run, and says what it is."""

import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unetzoo.inference.contract import METADATA_KEY, Contract, DataSpec
from unetzoo.inference.integrity import CHECKSUM_KEY, checksum, external_files
from unetzoo.inference.network import OnnxNetwork
from unetzoo.interleaved import interleave
from unetzoo.network import SegmentationNetwork
from unetzoo.predictor import contract_of, weights_sha256
from unetzoo.spread_weights import spread_weights

__all__ = ["OPSETS", "export", "weights_sha256"]

OPSETS = (18, 19, 20)
_LARGEST = 2 * 10**9  # bytes of weights; a protobuf file ends at 2 GiB
TOLERANCE = 1e-4
"""Largest difference from torch, relative to the largest logit, that an exported file may show."""


def export(
    model: SegmentationNetwork,
    path: str | Path,
    *,
    data: DataSpec | None = None,
    dynamic: bool = False,
    opset: int = 18,
    licence: str = "",
    external: bool | None = None,
    for_int8: bool = False,
) -> Path:
    """Write an ONNX file with its contract, compared with torch before it gets its name.

    The batch size is always free. With ``dynamic`` the image's size is too, and the file is run at three
    sizes, none a multiple of another's, to prove it; a network whose graph depends on the size refuses.

    Args:
        model: The trained network.
        path: The file to write.
        data: What the images are, if the model does not carry it.
        dynamic: Let the file take any image size, not the tile's alone.
        opset: ONNX operator set, 18 to 20.
        licence: Of the weights, an SPDX name; stands in the file.
        external: Weights in ``<name>.data`` beside the file; None: only beyond 2 GB, where it must.
        for_int8: Keep convolutions of upsampled maps and weights per pixel, which float32 computes faster in
            other forms (`unetzoo.interleaved`, `unetzoo.spread_weights`) and 8 bits do not.

    Returns:
        ``path``.

    Raises:
        ValueError: If an argument is wrong, the network cannot be exported that way, or the file's answer
            differs from torch's by more than 1e-4 of the largest logit. Nothing is written then.
    """
    path = Path(path)
    if opset not in OPSETS:
        raise ValueError(f"opset {opset} is not supported; choose {', '.join(map(str, OPSETS))}")
    if dynamic and model.fixed_size_parts:
        raise ValueError(
            f"the graph of {model.fixed_size_parts[0]} depends on the image's size; export with dynamic=false"
        )
    model = model.eval()
    contract = contract_of(
        model, data or model.data, dynamic_size=dynamic, licence=licence, weights_sha256=weights_sha256(model)
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    # in a folder of its own, since a large file's weights lie beside it under a name that it holds
    with tempfile.TemporaryDirectory(prefix=".export-", dir=path.parent) as folder:
        temporary = Path(folder) / path.name
        proto = _record(model, contract, opset)
        _forget_origin(proto)
        if not for_int8:
            interleave(proto)
            spread_weights(proto)
        save_with_contract(proto, temporary, contract, external=external)
        _compare(model, temporary, contract)
        for file in (*external_files(temporary), temporary):  # the network after its weights
            os.replace(file, path.parent / file.name)
    return path


def save_with_contract(proto: Any, path: Path, contract: Contract, *, external: bool | None = None) -> None:
    """Write an ONNX model with its contract and the checksum of everything else.

    Args:
        proto: An ``onnx.ModelProto``.
        external: Weights in ``<name>.data`` beside the file; None: only where a single file cannot hold them.
    """
    import onnx

    if external is None:
        weights = sum(len(tensor.raw_data) for tensor in proto.graph.initializer)
        external = weights > _LARGEST
    onnx.helper.set_model_props(proto, {METADATA_KEY: contract.to_json()})
    onnx.save(
        proto,
        os.fspath(path),
        save_as_external_data=external,
        location=f"{path.name}.data" if external else None,
        size_threshold=1024,
    )
    # the second file differs from the first in its metadata alone
    written = onnx.load(os.fspath(path), load_external_data=False)
    sums = {METADATA_KEY: contract.to_json(), CHECKSUM_KEY: checksum(path)}
    onnx.helper.set_model_props(written, sums)
    path.write_bytes(written.SerializeToString())


def _record(model: SegmentationNetwork, contract: Contract, opset: int) -> Any:
    """The network as an ``onnx.ModelProto``."""
    # the sizes of the example are neither 1 nor multiples, or the recorder takes coincidences for rules
    size = contract.data.tile
    if contract.dynamic_size:
        # a bottleneck of one pixel would be recorded as one that always has one
        size = tuple(2 * t if t <= unit else t for t, unit in zip(size, model.divisor, strict=True))
    example = torch.zeros(2, model.in_channels, *size, device=next(model.parameters()).device)
    shapes: dict[int, Any] = {0: torch.export.Dim.DYNAMIC}
    if contract.dynamic_size:
        shapes |= dict.fromkeys(range(2, example.dim()), torch.export.Dim.DYNAMIC)
    with _quiet(), torch.no_grad():
        try:
            program = torch.onnx.export(
                model,
                (example,),
                dynamo=True,
                opset_version=opset,
                dynamic_shapes=(shapes,),
                input_names=["image"],
                output_names=["logits"],
                verbose=False,
            )
        except Exception as error:  # the exporter wraps each stage's failure in a class of its own
            reason = (str(error.__cause__ or error).strip() or type(error).__name__).splitlines()[0]
            raise ValueError(
                f"the network cannot be exported with dynamic={contract.dynamic_size} ({reason})"
            ) from error
    assert program is not None
    return program.model_proto


def _forget_origin(proto: Any) -> None:
    """Drop the exporter's notes on every node and tensor, among them paths of this machine."""
    graph = proto.graph
    for item in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del item.metadata_props[:]
    for function in proto.functions:
        for item in (function, *function.node, *function.value_info):
            del item.metadata_props[:]


def _compare(model: SegmentationNetwork, path: Path, contract: Contract) -> None:
    """Run the file beside torch, at the tile's size and, if it claims any size, at two more."""
    network = OnnxNetwork(path)
    tile = contract.data.tile
    sizes = [tile]
    if contract.dynamic_size:
        sizes += [
            tuple(t // 2 + 5 + axis for axis, t in enumerate(tile)),
            tuple(t + 2 * axis + 1 for axis, t in enumerate(tile)),
        ]
    rng = np.random.default_rng(0)
    device = next(model.parameters()).device
    for batch, size in enumerate(sizes, start=1):
        x = rng.standard_normal((batch, model.in_channels, *size), dtype=np.float32)
        with torch.inference_mode():
            expected = model(torch.from_numpy(x).to(device)).float().cpu().numpy()
        actual = network(x)
        if actual.shape != expected.shape:
            raise ValueError(
                f"the exported network answers {actual.shape} where torch answers {expected.shape}; "
                "nothing was written"
            )
        # a guided head's logits may all be zero
        largest = np.maximum(np.abs(expected).max(), np.finfo(np.float32).tiny)
        difference = float(np.abs(actual - expected).max() / largest)
        if not difference <= TOLERANCE:
            raise ValueError(
                f"the exported network differs from torch by {difference:.1e} of the largest logit at size "
                f"{tuple(size)}, more than {TOLERANCE:.0e}; nothing was written"
            )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's notes about its own internals off the terminal."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir", "torch.export")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
