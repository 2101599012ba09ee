"""Opening what ``ckpt=`` names: a run's checkpoint, a ``save_pretrained`` folder or an exported file."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unetzoo.inference import Predictor

__all__ = ["open_predictor", "run_folder"]


def open_predictor(
    paths: Sequence[Path],
    *,
    overlap: float | None = None,
    blend: str | None = None,
    backend: str = "onnxruntime",
    device: str | None = None,
    threads: int | None = None,
) -> "Predictor":
    """A predictor, or the mean of several, on the GPU if there is one and the network is a checkpoint.

    Args:
        paths: What to open; several are exported files or checkpoints alike.
        overlap: Of neighbouring tiles, as a fraction, in place of the model's own.
        blend: Where tiles overlap, in place of the model's own.
        backend: Of exported files, see `Predictor.open`.
        device: Where to compute; None chooses.
        threads: Of the CPU; None: all.

    Raises:
        ValueError: If a file is not one of ours, or ``overlap`` is not in [0, 1).
    """
    from unetzoo.inference import Predictor
    from unetzoo.inference.allocation import give_back_large_blocks
    from unetzoo.inference.ensemble import Ensemble, Member

    if overlap is not None and not 0 <= overlap < 1:
        raise ValueError(f"overlap={overlap} is not a fraction of a tile; give 0 or more, and less than 1")
    if all(path.suffix == ".onnx" for path in paths):
        give_back_large_blocks()
        predictor = Predictor.open(
            paths, backend=backend, device=device or "cpu", threads=threads, tell=lambda line: print(line)
        )
    else:
        members = [_open(path, device, threads) for path in paths]
        predictor = members[0]
        if len(members) > 1:
            named = zip(members, paths, strict=True)
            mean = Ensemble([Member(m.network, m.contract, str(path)) for m, path in named])
            predictor = Predictor(mean, mean.contract)
    changes: dict[str, Any] = {"overlap": overlap, "blend": blend}
    predictor.contract = replace(
        predictor.contract, **{key: value for key, value in changes.items() if value is not None}
    )
    return predictor


def run_folder(path: Path) -> Path:
    """Where results belong: the run of a checkpoint, else beside the file or in the model's folder."""
    if path.is_dir():
        return path
    return path.parent.parent if path.parent.name == "checkpoints" else path.parent


def _open(path: Path, device: str | None, threads: int | None) -> "Predictor":
    if path.suffix == ".onnx":
        raise ValueError(f"{path}: is exported, and not averaged with checkpoints; export these, too")
    import torch

    from unetzoo.predictor import Predictor as TorchPredictor

    if device not in (None, "cpu", "cuda"):
        raise ValueError(f"device={device}: a checkpoint computes on cpu or cuda; export it for {device}")
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            "device=cuda: torch finds no CUDA here; leave it out, or install a torch that has it"
        )
    if threads is not None:
        torch.set_num_threads(threads)
    return TorchPredictor(path, device=device or ("cuda" if torch.cuda.is_available() else "cpu"))
