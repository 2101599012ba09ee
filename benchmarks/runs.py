"""Train one network, choose its checkpoint on val, measure it once on test; not repeated where it is done."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from hydra import compose, initialize_config_module
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from unetzoo import inference
from unetzoo.checkpoints import read_checkpoint
from unetzoo.evaluation import evaluate, evaluate_images
from unetzoo.predictor import Predictor
from unetzoo.training import train


def measured(
    run_id: str,
    overrides: Sequence[str],
    *,
    data: Path,
    out: Path,
    change: Callable[[DictConfig], None] = lambda cfg: None,
    predictor: Callable[[Path], inference.Predictor] = Predictor,
) -> dict[str, float]:
    """Run and measure, or read what an earlier call measured.

    Args:
        run_id: Names the run's folder in ``out``.
        overrides: Of ``unetzoo train``.
        change: Edits the composed config.
        predictor: Opens the best checkpoint.

    Returns:
        ``dice`` and ``iou``, or ``mae``, ``psnr`` and ``ssim`` of predicted images (test, mean over cases);
        what chose the checkpoint, such as ``val_dice``; ``parameters``, ``minutes`` of wall clock and
        ``cpu_minutes`` of training.
    """
    result = out / run_id / "result.json"
    if result.is_file():
        return dict(json.loads(result.read_text()))
    with initialize_config_module("unetzoo.configs", version_base="1.3"):
        # single precision on every machine, unless a table is about another
        fixed = ["trainer.precision=32-true", *overrides]
        cfg = compose("train", [*fixed, f"paths.data={data}", f"run_id={run_id}", f"paths.runs={out}"])
    OmegaConf.set_struct(cfg, False)
    cfg.logger = None
    change(cfg)
    wall, cpu = time.perf_counter(), time.process_time()
    run_dir = train(cfg)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    checkpoint = run_dir / "checkpoints" / "best.ckpt"
    model, sets, where = predictor(checkpoint), instantiate(cfg.data), run_dir / "eval" / "test"
    if model.contract.data.target is None:
        evaluate(model, sets, "test", where, run_dir=run_dir)
        means = json.loads((where / "summary.json").read_text())["means"]
        scores = {name: means[name]["per_image"] for name in ("dice", "iou")}
    else:
        scores = evaluate_images(model, sets, "test", where).means
    saved = read_checkpoint(checkpoint)
    monitor = "dice" if model.contract.data.target is None else "mae"
    weights = [name for name in saved["state_dict"] if "running_" not in name and "num_batches" not in name]
    found = {
        **scores,
        f"val_{monitor}": float(saved["unetzoo"]["metrics"][f"val/{monitor}"]),
        "parameters": sum(saved["state_dict"][name].numel() for name in weights),
        "minutes": wall / 60,
        "cpu_minutes": cpu / 60,
    }
    result.write_text(json.dumps(found))
    return found
