"""Measure a trained model, case by case.

usage: unetzoo eval ckpt=... [split=test] [out=...] [key=value ...]

  unetzoo eval ckpt=runs/demo-seed0/checkpoints/best.ckpt split=test
  unetzoo eval ckpt=model.onnx data.root=/elsewhere        the same set, moved
  unetzoo eval ckpt=best.ckpt data=folder data.images=img data.masks=msk     another set

The data is what the model was trained on, as its file says, changed by data.key=value. Writes cases.csv,
summary.json and, for classes, report.html, which opens without network.
"""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from unetzoo.cli.app import run_app
from unetzoo.cli.suggest import did_you_mean, one_of
from unetzoo.cli.trained import open_predictor, run_folder

# what may differ without the model's data being another kind of data
_WHERE = {"root", "images", "masks", "manifest", "splits", "group", "name"}
_SPLIT = {"val_fraction", "test_fraction", "split_seed", "num_workers", "cache", "cache_gb", "seed"}


def run(args: list[str]) -> int:
    """Compose configs/eval.yaml and evaluate."""
    chosen = [word.removeprefix("data=") for word in args if word.startswith("data=")]
    rest = [word for word in args if not word.startswith("data=")]
    # data is an open mapping in eval.yaml, and its keys are checked when the model's own config is known
    rest = [f"+{word}" if word.startswith("data.") else word for word in rest]
    return run_app(lambda cfg: _eval(cfg, chosen[-1] if chosen else None), "eval", rest, __doc__)


def _eval(cfg: DictConfig, chosen: str | None) -> int:
    from unetzoo.evaluation import evaluate, evaluate_images

    ckpt = Path(cfg.ckpt)
    predictor = open_predictor([ckpt], overlap=cfg.overlap)
    spec = predictor.contract.data
    changes = OmegaConf.to_container(cfg.data)
    assert isinstance(changes, dict)
    data = _data(predictor.contract.config, str(ckpt), chosen, {str(k): v for k, v in changes.items()})
    if chosen is None and changes.keys() <= _WHERE | _SPLIT:
        data.spec = spec  # bands, classes and statistics stay those of training
    out = Path(cfg.out) if cfg.out else run_folder(ckpt) / "eval" / str(cfg.split)
    options = {
        "flips": cfg.flips,
        "batch_size": cfg.batch_size,
        "checkpoint": ckpt if ckpt.is_file() else None,
    }
    if spec.target is not None:
        print(evaluate_images(predictor, data, cfg.split, out, **options).text())
    else:
        options |= {"empty": cfg.empty, "nsd_tolerance": cfg.nsd_tolerance, "run_dir": run_folder(ckpt)}
        print(evaluate(predictor, data, cfg.split, out, **options).text())
        print(f"report      {out / 'report.html'}")
    print(f"table       {out / 'cases.csv'}")
    if ckpt.suffix != ".onnx":
        print(f"next        unetzoo export ckpt={ckpt}")
    return 0


def _data(config: str, source: str, chosen: str | None, changes: dict[str, Any]) -> Any:
    """The data module of the model's config, or of a chosen data config, with changes.

    Raises:
        ValueError: If the file has no config, it would call foreign code, or a change names no key of it.
    """
    from hydra import compose
    from hydra.utils import instantiate

    from unetzoo.safe import check_targets

    if chosen is not None:
        found = OmegaConf.to_container(compose("train", overrides=[f"data={chosen}"]), resolve=True)
    else:
        found = OmegaConf.to_container(OmegaConf.create(config), resolve=True)
    data = found.get("data") if isinstance(found, dict) else None
    if not isinstance(data, dict):
        raise ValueError(f"{source}: does not say what it was trained on; choose data=...")
    unknown = [key for key in changes if key not in data]
    if unknown:
        keys = [key for key in data if not key.startswith("_")]
        hint = did_you_mean(unknown[0], keys)
        raise ValueError(
            f"data.{unknown[0]} is not a key of the data config{hint}; it has {one_of(keys, 30)}"
        )
    # nothing is augmented here, and the recipe may need packages of its own
    data |= changes | {"augment": None}
    if chosen is None:
        check_targets(data, source)
    return instantiate(data)
