"""Write label maps for files and folders, or the images a regression predicts.

usage: unetzoo predict ckpt=... inputs=... out=... [flips=true] [probabilities=true] [max_ram=2GB]

  unetzoo predict ckpt=runs/demo-seed0/checkpoints/best.ckpt inputs=scans out=masks
  unetzoo predict ckpt=model.onnx "inputs=[a.tif,b.tif]" out=masks probabilities=true
  unetzoo predict "ckpt=[fold0.onnx,fold1.onnx]" inputs=scans out=masks     the mean of several models
  unetzoo predict ckpt=best.ckpt inputs=scenes.csv out=masks workers=8     on Ray; a manifest (column `image`)

Pictures, rasters and volumes of any size (docs/formats.md); each result has its input's size, and its CRS
and transform or affine; vector=gpkg adds polygons. A file that fails does not stop the others: exit code 4.
The same command finishes an interrupted run.
"""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig, ListConfig

from unetzoo.cli.app import run_app
from unetzoo.cli.trained import open_predictor
from unetzoo.inference.filejob import Options

if TYPE_CHECKING:
    from unetzoo.inference import Predictor


def run(args: list[str]) -> int:
    """Compose configs/predict.yaml and predict."""
    return run_app(_predict, "predict", args, __doc__)


def _predict(cfg: DictConfig) -> int:
    inputs = list(cfg.inputs) if isinstance(cfg.inputs, ListConfig) else [cfg.inputs]
    out = Path(cfg.out)
    given = list(cfg.ckpt) if isinstance(cfg.ckpt, ListConfig) else [cfg.ckpt]
    paths = [Path(str(path)) for path in given]
    if cfg.workers is not None:
        paths = [path.resolve() for path in paths]  # workers may be elsewhere
    options: Options = {key: cfg[key] for key in Options.__annotations__}  # type: ignore[assignment]
    opened = partial(_open, paths, cfg.overlap, cfg.blend, cfg.backend, cfg.device)
    files = [Path(str(path)) for path in inputs]
    if cfg.workers is None:
        outcomes = opened(cfg.threads).predict_files(files, out, **options)
    else:
        from unetzoo.inference.on_ray import predict_on_ray

        outcomes = predict_on_ray(
            opened,
            files,
            out,
            workers=cfg.workers,
            threads=cfg.threads,
            gpu=cfg.device in ("cuda", "tensorrt"),
            **options,
        )
    # the reasons of those that failed stand on standard error already
    done = [outcome for outcome in outcomes if outcome.target is not None]
    if done:
        print(f"{len(done)} of {len(outcomes)} predicted, results in {out}")
    if len(done) == len(outcomes):
        return 0
    return 4 if done else 2


def _open(
    paths: list[Path],
    overlap: float | None,
    blend: str | None,
    backend: str,
    device: str | None,
    threads: int | None,
) -> "Predictor":
    return open_predictor(
        paths, overlap=overlap, blend=blend, backend=backend, device=device, threads=threads
    )
