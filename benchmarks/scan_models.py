"""What a training step with state spaces costs, beside the same network without their scans, as a table.

    python -m benchmarks.scan_models --threads 2

Forward, backward and a step of AdamW on a batch of 4 x 3 x 256 x 256, float32. "identity" is the network
whose scans hand on what they get, with all else as it is: their terms are projected, and gradients (zeros) go
back through the projections. "forwards" projects the terms and lets nothing back, "nothing" has no
projections either. "torch" runs the scans without the compiled kernels, once. The other columns take
turns and are medians of the rounds, in a process that keeps the memory it frees, as training does.
"""

import argparse
import copy
import time
from statistics import median
from typing import Any, ClassVar
from unittest.mock import patch

import torch
from torch import Tensor, nn

from unetzoo import create_model
from unetzoo.allocation import keep_freed_memory
from unetzoo.blocks import state_space
from unetzoo.blocks.ss2d import ScannedMap
from unetzoo.blocks.state_space import StateSpace
from unetzoo.ops import native

NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "meunet": ("meunet", {}),
    "meunet, twice as wide": ("meunet", {"overrides": {"encoder.channels": [64, 128, 256]}}),
    "unet resnet34 + mamba": ("unet", {"encoder": "resnet34", "skip": "mamba"}),
    "unet conv2d + mamba": ("unet", {"encoder": "conv2d", "skip": "mamba"}),
}


class Identity(torch.autograd.Function):
    """The first tensor; zeros, made once, are the gradients of the others."""

    zeros: ClassVar[dict[torch.Size, Tensor]] = {}

    @staticmethod
    def forward(ctx: Any, u: Tensor, *terms: Any) -> Tensor:
        """``u``."""
        ctx.terms = [t.shape if isinstance(t, Tensor) else None for t in terms]
        return u.view_as(u)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        """``dy``, and zeros."""
        made = (None if shape is None else zeros(shape) for shape in ctx.terms)
        return dy, *made


def zeros(shape: torch.Size) -> Tensor:
    """The same tensor for the same shape."""
    if shape not in Identity.zeros:
        Identity.zeros[shape] = torch.zeros(shape)
    return Identity.zeros[shape]


class HandOn(nn.Module):
    """The input."""

    def forward(self, x: Tensor, *others: Any, **options: Any) -> Tensor:
        """x."""
        return x


def main() -> None:
    """Measure every network and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    keep_freed_memory()
    columns = "nothing, s", "forwards, s", "identity, s", "torch, s", "kernel, s"
    shares = "kernel / identity", "kernel / forwards", "kernel / nothing"
    print("| " + " | ".join(["network", *columns, *shares]) + " |")
    print("|---|" + "---:|" * 8)
    for name, (model, options) in NETWORKS.items():
        torch.manual_seed(0)
        scanned = create_model(model, in_channels=3, classes=2, **options)
        steps = {"nothing": step_of(without_scans(scanned)), "kernel": step_of(scanned)}
        steps["forwards"] = handed_on(steps["kernel"], lambda u, *terms: u)
        steps["identity"] = handed_on(steps["kernel"], Identity.apply)
        times: dict[str, list[float]] = {key: [] for key in steps}
        for round_ in range(args.rounds + 1):
            for key, step in steps.items():
                seconds = step()
                if round_:
                    times[key].append(seconds)
        nothing, kernel, forwards, identity = (median(times[key]) for key in steps)
        slow = without_kernels(steps["kernel"])
        row = f"{nothing:.2f} | {forwards:.2f} | {identity:.2f} | {slow:.1f} | {kernel:.2f}"
        ratios = " | ".join(f"{kernel / other:.2f}" for other in (identity, forwards, nothing))
        print(f"| {name} | {row} | {ratios} |", flush=True)


def without_scans(network: nn.Module) -> nn.Module:
    """A copy whose scans are the identity, with no terms."""
    network = copy.deepcopy(network)
    for module in [*network.modules()]:
        for name, child in [*module.named_children()]:
            if isinstance(child, ScannedMap | StateSpace):
                setattr(module, name, HandOn())
    return network


def handed_on(step: Any, scan: Any) -> Any:
    """The step with something else in the place of every scan."""

    def run() -> float:
        with (
            patch.object(state_space, "selective_scan", lambda u, *terms, **options: scan(u, *terms)),
            patch.object(state_space, "directional_scan", lambda tokens, *terms: scan(tokens, *terms)),
        ):
            return float(step())

    return run


def without_kernels(step: Any) -> float:
    """Seconds of a step in plain torch."""
    with patch.object(native, "library", lambda: None):
        return float(step())


def step_of(network: nn.Module) -> Any:
    """A function that trains for a step and returns its seconds."""
    x = torch.randn(4, 3, 256, 256)
    optimizer = torch.optim.AdamW(network.parameters())

    def step() -> float:
        start = time.perf_counter()
        network(x).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        return time.perf_counter() - start

    return step


if __name__ == "__main__":
    main()
