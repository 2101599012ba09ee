"""Measure a trained model, case by case.

usage: unetzoo eval ckpt=... [split=test] [out=...] [key=value ...]

  unetzoo eval ckpt=runs/demo-seed0/checkpoints/best.ckpt split=test
  unetzoo eval ckpt=model.onnx data.root=/elsewhere        the same set, moved
  unetzoo eval ckpt=best.ckpt data=folder data.images=img data.masks=msk     another set
  unetzoo eval ckpt=best.ckpt metrics=[cldice,ece,brier]   more measures, calibration in the report
  torchrun --nproc-per-node 4 -m unetzoo eval ckpt=best.ckpt     by four processes, the same table

The data is what the model was trained on, as its file says, changed by data.key=value. Writes cases.csv,
summary.json and report.html, which opens without network.
"""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from unetzoo.cli.app import run_app
from unetzoo.cli.trained import open_predictor, run_folder
from unetzoo.cli.trained_data import ELSEWHERE, data_of


def run(args: list[str]) -> int:
    """Compose configs/eval.yaml and evaluate."""
    chosen = [word.removeprefix("data=") for word in args if word.startswith("data=")]
    rest = [word for word in args if not word.startswith("data=")]
    # data is an open mapping in eval.yaml, and its keys are checked when the model's own config is known
    rest = [f"+{word}" if word.startswith("data.") else word for word in rest]
    return run_app(lambda cfg: _eval(cfg, chosen[-1] if chosen else None), "eval", rest, __doc__)


def _eval(cfg: DictConfig, chosen: str | None) -> int:
    from unetzoo.evaluation.gather import joined

    with joined():
        return _measure(cfg, chosen)


def _measure(cfg: DictConfig, chosen: str | None) -> int:
    from unetzoo.evaluation import evaluate, evaluate_images
    from unetzoo.evaluation.gather import first

    ckpt = Path(cfg.ckpt)
    predictor = open_predictor([ckpt], overlap=cfg.overlap)
    spec = predictor.contract.data
    changes = OmegaConf.to_container(cfg.data)
    assert isinstance(changes, dict)
    data = data_of(predictor.contract.config, str(ckpt), chosen, {str(k): v for k, v in changes.items()})
    if chosen is None and changes.keys() <= ELSEWHERE | {"metrics", "objects"}:
        data.spec = spec  # bands, classes and statistics stay those of training
    out = Path(cfg.out) if cfg.out else run_folder(ckpt) / "eval" / str(cfg.split)
    options: dict[str, Any] = {
        "flips": cfg.flips,
        "batch_size": cfg.batch_size,
        "run_dir": run_folder(ckpt),
        "checkpoint": ckpt if ckpt.is_file() else None,
    }
    if spec.target is not None:
        images = evaluate_images(predictor, data, cfg.split, out, **options)
        if not first():
            return 0
        print(images.text())
    else:
        options |= {"empty": cfg.empty, "nsd_tolerance": cfg.nsd_tolerance}
        options |= {"metrics": data.metrics if cfg.metrics is None else list(cfg.metrics)}
        summary = evaluate(predictor, data, cfg.split, out, parquet=cfg.parquet, **options)
        if not first():
            return 0
        print(summary.text())
    print(f"report      {out / 'report.html'}")
    print(f"table       {out / 'cases.csv'}")
    if ckpt.suffix != ".onnx":
        print(f"next        unetzoo export ckpt={ckpt}")
    return 0
