"""Opening what ``ckpt=`` names: a run's checkpoint, a ``save_pretrained`` folder or an exported file."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unetzoo.inference import Predictor

__all__ = ["open_predictor", "run_folder"]


def open_predictor(path: Path, overlap: float | None = None) -> "Predictor":
    """A predictor on the GPU if there is one.

    Args:
        path: What to open.
        overlap: Of neighbouring tiles, as a fraction, in place of the model's own.

    Raises:
        ValueError: If the file is not one of ours, or ``overlap`` is not in [0, 1).
    """
    if overlap is not None and not 0 <= overlap < 1:
        raise ValueError(f"overlap={overlap} is not a fraction of a tile; give 0 or more, and less than 1")
    predictor = _open(path)
    if overlap is not None:
        predictor.contract = replace(predictor.contract, overlap=overlap)
    return predictor


def run_folder(path: Path) -> Path:
    """Where results belong: the run of a checkpoint, else beside the file or in the model's folder."""
    if path.is_dir():
        return path
    return path.parent.parent if path.parent.name == "checkpoints" else path.parent


def _open(path: Path) -> "Predictor":
    if path.suffix == ".onnx":
        from unetzoo.inference import Predictor

        return Predictor.from_onnx(path)
    import torch

    from unetzoo.predictor import Predictor as TorchPredictor

    return TorchPredictor(path, device="cuda" if torch.cuda.is_available() else "cpu")
