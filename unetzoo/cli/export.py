"""Write an ONNX file that unetzoo-runtime runs without torch.

usage: unetzoo export ckpt=... [out=model.onnx] [dynamic=true] [depth=null] [opset=18]

  unetzoo export ckpt=runs/demo-seed0/checkpoints/best.ckpt
  unetzoo export ckpt=best.ckpt out=small.onnx depth=2     a UNet++ pruned to its third-finest level

The file holds bands, normalisation, classes, tile size and the composed config, and is compared with torch
before it gets its name.
"""

from pathlib import Path

from omegaconf import DictConfig

from unetzoo.cli.app import run_app
from unetzoo.cli.trained import run_folder


def run(args: list[str]) -> int:
    """Compose configs/export.yaml and export."""
    return run_app(_export, "export", args, __doc__)


def _export(cfg: DictConfig) -> int:
    from unetzoo import load
    from unetzoo.onnx_export import export
    from unetzoo.pruning import prune

    ckpt = Path(cfg.ckpt)
    if ckpt.suffix == ".onnx":
        raise ValueError(f"{ckpt}: is exported already; give the checkpoint it came from")
    out = Path(cfg.out) if cfg.out else run_folder(ckpt) / "model.onnx"
    if out.suffix != ".onnx":
        raise ValueError(f"out={out}: an exported file ends in .onnx")
    model = load(ckpt)
    if cfg.depth is not None:
        model = prune(model, cfg.depth)
    export(model, out, dynamic=cfg.dynamic, opset=cfg.opset, licence=cfg.licence)
    print(f"model       {out} ({out.stat().st_size / 1e6:.1f} MB)")
    print(f"next        unetzoo-infer {out} <images> -o <folder>      (pip install unetzoo-runtime)")
    return 0
