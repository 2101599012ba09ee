"""Write an ONNX file that unetzoo-runtime runs without torch.

usage: unetzoo export ckpt=... [out=model.onnx] [dynamic=true] [depth=null] [quantize=int8] [opset=18]

  unetzoo export ckpt=runs/demo-seed0/checkpoints/best.ckpt
  unetzoo export ckpt=best.ckpt out=small.onnx depth=2     a UNet++ pruned to its third-finest level
  unetzoo export ckpt=best.ckpt quantize=int8              8 bits, calibrated on train, Dice held on val

The file holds bands, normalisation, classes, tile size and the composed config, and is compared with torch
before it gets its name. Fewer bits that lose more than gate.dice_drop of Dice end with exit code 3 and leave
no file.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig, OmegaConf

from unetzoo.cli.app import run_app
from unetzoo.cli.suggest import one_of
from unetzoo.cli.trained import run_folder
from unetzoo.cli.trained_data import ELSEWHERE, data_of

if TYPE_CHECKING:
    from unetzoo.network import SegmentationNetwork


def run(args: list[str]) -> int:
    """Compose configs/export.yaml and export."""
    # data is an open mapping in export.yaml
    args = [f"+{word}" if word.startswith("data.") else word for word in args]
    return run_app(_export, "export", args, __doc__)


def _export(cfg: DictConfig) -> int:
    from unetzoo import load
    from unetzoo.onnx_export import export
    from unetzoo.pruning import prune

    ckpt = Path(cfg.ckpt)
    if ckpt.suffix == ".onnx":
        raise ValueError(f"{ckpt}: is exported already; give the checkpoint it came from")
    name = f"model-{cfg.quantize}.onnx" if cfg.quantize else "model.onnx"
    out = Path(cfg.out) if cfg.out else run_folder(ckpt) / name
    if out.suffix != ".onnx":
        raise ValueError(f"out={out}: an exported file ends in .onnx")
    model = load(ckpt)
    if cfg.depth is not None:
        model = prune(model, cfg.depth)
    if cfg.quantize is None:
        if cfg.data:
            raise ValueError("data.* is about quantize=int8 or bf16, which read the data; drop it")
        export(model, out, dynamic=cfg.dynamic, opset=cfg.opset, licence=cfg.licence)
    elif not _quantised(cfg, model, out):
        return 3
    print(f"model       {out} ({out.stat().st_size / 1e6:.1f} MB)")
    print(f"next        unetzoo-infer {out} <images> -o <folder>      (pip install unetzoo-runtime)")
    return 0


def _quantised(cfg: DictConfig, model: "SegmentationNetwork", out: Path) -> bool:
    """Whether the file in fewer bits passed its gate and was written."""
    from unetzoo.quantisation import GateFailed, export_quantised

    changes = OmegaConf.to_container(cfg.data)
    assert isinstance(changes, dict)
    foreign = [str(key) for key in changes if key not in ELSEWHERE]
    if foreign:
        raise ValueError(
            f"data.{foreign[0]} cannot differ from training here; what can is {one_of(sorted(ELSEWHERE), 30)}"
        )
    data = data_of(model.run_config, str(cfg.ckpt), changes={str(k): v for k, v in changes.items()})
    if model.data is not None:
        data.spec = model.data
    try:
        export_quantised(
            model,
            out,
            data,
            precision=cfg.quantize,
            dice_drop=cfg.gate.dice_drop,
            patches=cfg.calibration,
            dynamic=cfg.dynamic,
            opset=cfg.opset,
            licence=cfg.licence,
            tell=lambda line: print(line, flush=True),
        )
    except GateFailed as failure:
        print(f"unetzoo export: {failure}", file=sys.stderr)
        return False
    return True
