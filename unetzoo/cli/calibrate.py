"""Make a model's probabilities come true as often as they say.

usage: unetzoo calibrate ckpt=... [split=val] [cleaning=true] [data.key=value ...]

  unetzoo calibrate ckpt=runs/demo-seed0/checkpoints/best.ckpt
  unetzoo calibrate ckpt=best.ckpt cleaning=true     also drops small parts and fills holes, if that is of use
  unetzoo export ckpt=best.ckpt                      carries what was found

Fits one number on val, the temperature that divides the logits (Guo et al. 2017), and writes it into the
checkpoint; the weights stay as they are, and so do predicted labels. `predict probabilities=true` and
`entropy=true`, `eval metrics=[ece,brier]` and exported files use it.
cleaning=true also tries, class by class, to keep the largest part alone, to drop parts of fewer than 8 to
4096 pixels and to fill holes; what raises the mean Dice on val by 0.001 or more is done to every label map
from then on. The same command without it forgets that.
"""

from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from unetzoo.cli.app import run_app
from unetzoo.cli.trained import open_predictor
from unetzoo.cli.trained_data import data_of


def run(args: list[str]) -> int:
    """Compose configs/calibrate.yaml and calibrate."""
    # data is an open mapping in calibrate.yaml
    rest = [f"+{word}" if word.startswith("data.") else word for word in args]
    return run_app(_calibrate, "calibrate", rest, __doc__)


def _calibrate(cfg: DictConfig) -> int:
    from unetzoo.evaluation.cleaning import CleaningChoice
    from unetzoo.evaluation.temperature import calibrate
    from unetzoo.hub import store
    from unetzoo.inference.cleaning import words
    from unetzoo.metrics import foreground

    ckpt = Path(cfg.ckpt)
    if ckpt.suffix == ".onnx":
        raise ValueError(f"{ckpt}: is exported already; calibrate its checkpoint and export that")
    predictor = open_predictor([ckpt])
    changes = OmegaConf.to_container(cfg.data)
    assert isinstance(changes, dict)
    data = data_of(predictor.contract.config, str(ckpt), None, {str(k): v for k, v in changes.items()})
    data.spec = predictor.contract.data
    contract = predictor.contract
    choice = None
    if cfg.cleaning:
        measured = foreground(contract.data, activation=contract.activation)
        choice = CleaningChoice(measured, layers=contract.data.multilabel)
    fit = calibrate(predictor, data, cfg.split, batch_size=cfg.batch_size, cleaning=choice)
    useful = choice.best() if choice else {}
    store(ckpt, temperature=fit.temperature, cleaning=[*useful])
    print(
        f"temperature {fit.temperature:g} (ECE on {fit.pixels} pixels of {cfg.split}: {fit.before:.4f} "
        f"before, {fit.after:.4f} after)"
    )
    for how, (before, after) in useful.items():
        name = contract.data.classes[how.index].name
        print(
            f"cleaning    {name}: {words(how)} (Dice on {cfg.split}: {before:.4f} before, {after:.4f} after)"
        )
    if choice and not useful:
        print(f"cleaning    none: nothing raises the Dice on {cfg.split} by 0.001")
    print(f"written     {ckpt}")
    print(f"next        unetzoo eval ckpt={ckpt} metrics=[ece,brier]")
    return 0
