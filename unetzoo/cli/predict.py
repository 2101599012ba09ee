"""Write label maps for files and folders, or the images a regression predicts.

usage: unetzoo predict ckpt=... inputs=... out=... [flips=true] [probabilities=true] [max_ram=2GB]

  unetzoo predict ckpt=runs/demo-seed0/checkpoints/best.ckpt inputs=scans out=masks
  unetzoo predict ckpt=model.onnx "inputs=[a.tif,b.tif]" out=masks probabilities=true
  unetzoo predict "ckpt=[fold0.onnx,fold1.onnx]" inputs=scans out=masks     the mean of several models

Pictures, GeoTIFF and NIfTI of any size; each result has its input's size, and its CRS and transform or
affine. A file that fails does not stop the others: exit code 4. The same command finishes an interrupted run.
"""

from pathlib import Path

from omegaconf import DictConfig, ListConfig

from unetzoo.cli.app import run_app
from unetzoo.cli.trained import open_predictor
from unetzoo.inference.filejob import Options


def run(args: list[str]) -> int:
    """Compose configs/predict.yaml and predict."""
    return run_app(_predict, "predict", args, __doc__)


def _predict(cfg: DictConfig) -> int:
    inputs = list(cfg.inputs) if isinstance(cfg.inputs, ListConfig) else [cfg.inputs]
    out = Path(cfg.out)
    paths = list(cfg.ckpt) if isinstance(cfg.ckpt, ListConfig) else [cfg.ckpt]
    predictor = open_predictor(
        [Path(str(path)) for path in paths],
        overlap=cfg.overlap,
        blend=cfg.blend,
        backend=cfg.backend,
        device=cfg.device,
        threads=cfg.threads,
    )
    options: Options = {key: cfg[key] for key in Options.__annotations__}  # type: ignore[assignment]
    outcomes = predictor.predict_files([Path(str(path)) for path in inputs], out, **options)
    # the reasons of those that failed stand on standard error already
    done = [outcome for outcome in outcomes if outcome.target is not None]
    if done:
        print(f"{len(done)} of {len(outcomes)} predicted, results in {out}")
    if len(done) == len(outcomes):
        return 0
    return 4 if done else 2
