"""Predict with torch: the same tiling, normalisation and writers as the torch-free runtime."""

import hashlib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import nn

from unetzoo import inference
from unetzoo.hub import load
from unetzoo.inference.contract import Contract, DataSpec
from unetzoo.network import SegmentationNetwork

__all__ = ["Predictor", "TorchNetwork", "contract_of", "weights_sha256"]

_PARTS = ("encoder", "skip", "decoder")


class TorchNetwork:
    """A torch module behind numpy: (B, C, *tile) float32 to logits (B, K, *tile) float32.

    Args:
        model: Anything from images to logits; put into eval mode on ``device``.
        channels_last: Memory layout of 2D images and weights.
    """

    def __init__(
        self, model: nn.Module, *, device: str | torch.device = "cpu", channels_last: bool = False
    ) -> None:
        self.device = torch.device(device)
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        self.model = model.eval().to(self.device).to(memory_format=self.layout)

    @property
    def parameters(self) -> int:
        """How many numbers were learnt."""
        return sum(p.numel() for p in self.model.parameters())

    @cached_property
    def identity(self) -> str:
        """Differs between two models; what an interrupted run has made by another is not gone on with."""
        return weights_sha256(self.model)

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        """Logits of a batch."""
        with torch.inference_mode():
            x = torch.from_numpy(np.ascontiguousarray(batch)).to(self.device, memory_format=self.layout)
            logits: np.ndarray = self.model(x).float().cpu().numpy()
        return logits


class Predictor(inference.Predictor):
    """Label maps of images and files, from a trained model.

    Args:
        model: A model, or the path of a checkpoint or of a ``save_pretrained`` folder. For an exported file
            use ``Predictor.from_onnx``.
        data: What the images are; needed if the model does not carry it.
        device: Where torch computes.

    Raises:
        ValueError: If the model does not know its data and ``data`` is not given.

    >>> Predictor("runs/demo-seed0/checkpoints/best.ckpt").predict_file("scan.nii.gz", "mask.nii.gz")
    """

    def __init__(
        self,
        model: SegmentationNetwork | str | Path,
        data: DataSpec | None = None,
        *,
        device: str | torch.device = "cpu",
    ) -> None:
        if not isinstance(model, nn.Module):
            model = load(model)
        if getattr(type(model), "shown", SegmentationNetwork.shown) is not SegmentationNetwork.shown:
            raise ValueError(
                f"{type(model).__name__} is shown masks and not images, so it cannot predict; it is of use "
                "as the teacher of feature supervision (model/auxiliary=feature_supervision)"
            )
        contract = contract_of(model, data or model.data)
        super().__init__(
            TorchNetwork(model, device=device, channels_last=model.ndim == 2 and model.channels_last),
            contract,
        )


def weights_sha256(model: nn.Module) -> str:
    """SHA-256 over the names and bytes of all weights, sorted by name."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def contract_of(
    model: SegmentationNetwork,
    data: DataSpec | None,
    *,
    dynamic_size: bool = True,
    licence: str = "",
    weights_sha256: str = "",
    metrics: Mapping[str, float] | None = None,
) -> Contract:
    """The contract of a model on its data.

    Raises:
        ValueError: If there is no data specification, or model and data contradict each other.
    """
    if data is None:
        raise ValueError(
            "the model does not know its data (bands, classes, normalisation); pass data=DataSpec(...)"
        )
    if len(data.bands) != model.in_channels or data.ndim != model.ndim:
        raise ValueError(
            f"the model takes {model.in_channels} bands in {model.ndim}D but the data has "
            f"{len(data.bands)} in {data.ndim}D; pass the data it was trained on"
        )
    parts = [type(getattr(model, name)).__name__ for name in _PARTS if hasattr(model, name)]
    return Contract(
        name=f"{type(model).__name__}({', '.join(parts)})" if parts else type(model).__name__,
        data=data,
        activation=model.activation,
        divisor=model.divisor,
        dynamic_size=dynamic_size,
        licence=licence,
        weights_sha256=weights_sha256,
        metrics=dict(getattr(model, "metrics", {}) if metrics is None else metrics),
        config=model.run_config,
        temperature=model.temperature,
        cleaning=model.cleaning,
    )
