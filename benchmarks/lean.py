"""Training memory and time with `memory: plain` and `memory: lean`, and of smp's UNet++, as a Markdown table.

    python -m benchmarks.lean --batch 2 --size 256 --rounds 5

One step is a forward and a backward pass in float32 on one thread. Memory is how far a process of the
network's own grows in a step, its gradients in place. Seconds are the process's own on the CPU, so that other
work on the machine does not count: medians over rounds in which the forms take turns. The last column is the
distance of all gradients from the plain ones, relative to their norm.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from statistics import median
from time import process_time
from typing import Any

import torch
from benchmarks.peak import MIB, QUIET, peak_rise
from benchmarks.unet_plus_plus import smp, step
from torch import Tensor, nn

from unetzoo import create_model

WIDTHS = [32, 32, 64, 128, 256]
CONV: dict[str, Any] = {"encoder.channels": WIDTHS, "decoder.channels": None, "decoder.up": "transposed"}
NETWORKS: dict[str, dict[str, Any]] = {
    "unet_plus_plus, resnet34": {"model": "unet_plus_plus", "encoder": "resnet34"},
    "unet_plus_plus, conv2d": {
        "model": "unet_plus_plus", "encoder": "conv2d", "overrides": CONV | {"skip.up": "transposed"},
    },
    "unet_3plus, half as wide": {
        "model": "unet_3plus",
        "overrides": {
            "encoder.channels": [32, 64, 128, 256, 512], "skip.channels": 32, "decoder.channels": 32,
        },
    },
    "unet, resnet34": {"model": "unet", "encoder": "resnet34"},
    "unet, conv2d": {"model": "unet", "encoder": "conv2d", "overrides": CONV},
}  # fmt: skip
PEER = "smp.UnetPlusPlus, resnet34"


def build(network: str, memory: str) -> nn.Module:
    """A network with one output."""
    torch.manual_seed(0)
    if network == PEER:
        return smp().train()
    options = NETWORKS[network]
    overrides = options.get("overrides", {}) | {"deep_supervision": False, "memory": memory}
    return create_model(classes=1, **(options | {"overrides": overrides})).train()


def main() -> None:
    """Measure all and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("networks", nargs="*", default=[*NETWORKS], metavar="network")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    small, x = (torch.randn(args.batch, 3, size, size) for size in (64, args.size))
    if args.memory:
        model = build(args.networks[0], args.memory)
        step(model, small)  # libraries load their code, and every gradient gets its place
        model.zero_grad(set_to_none=False)
        print(json.dumps(peak_rise(lambda: step(model, x))))
        return
    print("| network | memory | peak, MiB | of plain | CPU seconds a step | of plain | gradients' distance |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for network in args.networks:
        report(network, x, args)


def report(network: str, x: Tensor, args: argparse.Namespace) -> None:
    """The rows of one network, smp's below that of the same encoder."""
    forms = [(network, "plain"), (network, "lean")]
    forms += [(PEER, "plain")] if network == "unet_plus_plus, resnet34" else []
    peaks = [_peak(*form, args) for form in forms]
    models = [build(*form) for form in forms]
    gradients = [_gradients(model, x) for model in models]
    times: list[list[float]] = [[] for _ in forms]
    for _ in range(args.rounds):
        for model, seconds in zip(models, times, strict=True):
            seconds.append(_timed(partial(step, model, x)))
    cost = [median(seconds) for seconds in times]
    for i, (name, memory) in enumerate(forms):
        distance = (
            float((gradients[i] - gradients[0]).norm() / gradients[0].norm()) if name == network else None
        )
        print(
            f"| {name} | {memory} | {peaks[i] / MIB:.0f} | {peaks[i] / peaks[0]:.2f} | {cost[i]:.2f} "
            f"| {cost[i] / cost[0]:.2f} | {'-' if distance is None else f'{distance:.1e}'} |",
            flush=True,
        )


def _gradients(model: nn.Module, x: Tensor) -> Tensor:
    step(model, x)
    found = torch.cat([p.grad.flatten().double() for p in model.parameters() if p.grad is not None])
    model.zero_grad(set_to_none=False)
    return found


def _timed(work: Callable[[], None]) -> float:
    start = process_time()
    work()
    return process_time() - start


def _peak(network: str, memory: str, args: argparse.Namespace) -> float:
    command = [sys.executable, "-m", "benchmarks.lean", network, f"--memory={memory}"]
    command += [f"--batch={args.batch}", f"--size={args.size}"]
    done = subprocess.run(command, env=os.environ | QUIET, check=True, stdout=subprocess.PIPE, text=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    main()
