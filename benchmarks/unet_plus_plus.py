"""Training memory and time of UNet++ beside segmentation_models.pytorch's and MONAI's, as a Markdown table.

    python -m benchmarks.unet_plus_plus --batch 2 --size 256 --rounds 5

One step is a forward and a backward pass in float32 on one thread. Times are medians over rounds in which the
networks take turns; memory is how far a process of the network's own grows in a step. smp's network is as big
as ours on the same encoder; MONAI's is built with the same widths, norm and activation as ours beside it.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

import torch
from benchmarks.peak import MIB, QUIET, peak_rise
from torch import Tensor, nn

from unetzoo import create_model

CONV = [32, 32, 64, 128, 256]


def ours(encoder: str, *, recompute: bool) -> nn.Module:
    """UNet++ with one output; ``recompute`` keeps the inputs of its nodes and rows alone."""
    options: dict[str, Any] = {"skip.recompute": recompute, "decoder.recompute": recompute}
    if encoder == "conv2d":
        options |= {f"{part}.{key}": value for part in ("encoder", "skip", "decoder") for key, value in
                    (("norm", "instance"), ("activation", "leaky_relu"))}  # fmt: skip
        options |= {"encoder.channels": CONV, "encoder.recompute": recompute, "decoder.channels": None}
        options |= {"skip.up": "transposed", "decoder.up": "transposed"}
    return create_model("unet_plus_plus", encoder=encoder, classes=1, overrides=options | {
        "deep_supervision": False,
    })  # fmt: skip


def smp() -> nn.Module:
    """segmentation_models.pytorch's, on the same encoder."""
    import segmentation_models_pytorch

    net: nn.Module = segmentation_models_pytorch.UnetPlusPlus("resnet34", encoder_weights=None, classes=1)
    return net


def monai() -> nn.Module:
    """MONAI's, of the same widths."""
    from monai.networks.nets.basic_unetplusplus import BasicUNetPlusPlus

    return BasicUNetPlusPlus(2, 3, 1, features=(*CONV, CONV[0]))


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "unetzoo, resnet34": lambda: ours("resnet34", recompute=False),
    "unetzoo, resnet34, recompute": lambda: ours("resnet34", recompute=True),
    "smp.UnetPlusPlus, resnet34": smp,
    "unetzoo, conv2d": lambda: ours("conv2d", recompute=False),
    "unetzoo, conv2d, recompute": lambda: ours("conv2d", recompute=True),
    "monai.BasicUNetPlusPlus": monai,
}


def step(network: nn.Module, x: Tensor) -> None:
    """Forward and backward."""
    out = network(x)
    (out[0] if isinstance(out, list) else out).square().mean().backward()


def seconds(network: nn.Module, x: Tensor) -> float:
    """One step's."""
    start = perf_counter()
    step(network, x)
    return perf_counter() - start


def main() -> None:
    """Measure all and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--network", choices=NETWORKS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    if args.network:
        network = NETWORKS[args.network]().train()
        small, x = (torch.randn(args.batch, 3, size, size) for size in (64, args.size))
        step(network, small)  # libraries load their code, and every gradient gets its place
        network.zero_grad(set_to_none=False)
        print(json.dumps(peak_rise(lambda: step(network, x))))
        return
    memory = {name: _peak(name, args) for name in NETWORKS}
    networks = {name: make().train() for name, make in NETWORKS.items()}
    x = torch.randn(args.batch, 3, args.size, args.size)
    times = {name: [seconds(network, x)][:0] for name, network in networks.items()}  # warms up, keeps none
    for _ in range(args.rounds):
        for name, network in networks.items():
            times[name].append(seconds(network, x))
    print(f"batch {args.batch} of 3 x {args.size} x {args.size}, one thread, median of {args.rounds}\n")
    print("| network | parameters | peak training memory, MiB | seconds a step |")
    print("|---|---:|---:|---:|")
    for name, network in networks.items():
        count = sum(p.numel() for p in network.parameters())
        print(f"| {name} | {count:,} | {memory[name] / MIB:.0f} | {median(times[name]):.2f} |")


def _peak(name: str, args: argparse.Namespace) -> float:
    command = [sys.executable, "-m", "benchmarks.unet_plus_plus", "--network", name]
    command += [f"--batch={args.batch}", f"--size={args.size}"]
    done = subprocess.run(command, env=os.environ | QUIET, check=True, stdout=subprocess.PIPE, text=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    main()
