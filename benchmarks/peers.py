"""Our U-Net beside a peer's: same data, same batches, same budget, loss and schedule, several seeds.

    python -m benchmarks.peers dsb2018_nuclei fair_kampala hippocampus_msd --data <folder with the sets>

Each run trains the experiment's config, with the peer's network put in for the peer's runs; the best
checkpoint is chosen on val, then measured once on test. A run that is there already is not repeated.
"""

import argparse
import json
import os
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from benchmarks.peer_models import Peer
from benchmarks.runs import measured
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from unetzoo import inference
from unetzoo.checkpoints import read_checkpoint
from unetzoo.inference.contract import Contract
from unetzoo.predictor import Predictor, TorchNetwork

SMP = {
    "_target_": "benchmarks.peer_models.smp_unet",
    "encoder_name": "resnet18",
    "decoder_channels": [128, 64, 32, 16, 8],
}
PEERS: dict[str, tuple[str, dict[str, Any]]] = {
    "dsb2018_nuclei": ("smp.Unet", SMP),
    "fair_kampala": ("smp.Unet", SMP),
    "hippocampus_msd": (
        "monai.UNet",
        {"_target_": "benchmarks.peer_models.monai_unet", "channels": [16, 32, 64, 128], "num_res_units": 2},
    ),
}


def run(experiment: str, network: str, seed: int, data: Path, out: Path) -> dict[str, float]:
    """Train and measure one network with one seed, or read what an earlier call measured."""

    def put_in(cfg: DictConfig) -> None:
        if network != "unetzoo":
            # the loss reads the head's activation from the model's config
            head = {"activation": cfg.model.head.activation}
            cfg.model = {"in_channels": None, "num_classes": None, "head": head, **PEERS[experiment][1]}

    return measured(
        f"{experiment}-{network}-seed{seed}",
        [f"experiment={experiment}", f"seed={seed}"],
        data=data,
        out=out,
        change=put_in,
        predictor=Predictor if network == "unetzoo" else _peer,
    )


def _peer(checkpoint: Path) -> inference.Predictor:
    saved = read_checkpoint(checkpoint)
    spec = inference.DataSpec.from_dict(json.loads(saved["unetzoo"]["data"]))
    model: Peer = instantiate(OmegaConf.create(saved["unetzoo"]["config"]).model)
    model.load_state_dict(
        {k.removeprefix("model."): v for k, v in saved["state_dict"].items() if k.startswith("model.")}
    )
    contract = Contract(
        name="peer", data=spec, activation=model.activation, divisor=model.divisor, dynamic_size=True
    )
    return inference.Predictor(TorchNetwork(model, channels_last=model.channels_last), contract)


def main() -> None:
    """Run all and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("experiments", nargs="+", choices=sorted(PEERS))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/peers"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    rows = []
    for experiment in args.experiments:
        for network in ("unetzoo", PEERS[experiment][0]):
            runs = [run(experiment, network, seed, args.data, args.out) for seed in args.seeds]
            rows.append((experiment, network, runs))
    print(f"seeds {args.seeds}, {args.threads} threads, test split")
    print("| experiment | network | Dice | IoU | Dice per seed | minutes per run |")
    print("|---|---|---|---|---|---|")
    for experiment, network, runs in rows:
        dice, iou = [r["dice"] for r in runs], [r["iou"] for r in runs]
        each = ", ".join(f"{d:.3f}" for d in dice)
        minutes = mean(r["minutes"] for r in runs)
        print(f"| {experiment} | {network} | {mean(dice):.4f} | {mean(iou):.4f} | {each} | {minutes:.1f} |")


if __name__ == "__main__":
    main()
