"""Merges and squeezes beside the naive order and plain torch, as Markdown tables.

    MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=100000000000 python -m benchmarks.merges --threads 2

Forms take turns, a time is the median of the rounds, and a table holds ratios to the kernel's. With these two
variables glibc keeps freed memory: without them every large temporary is fetched from the system anew, which
costs more than what is computed in it. On a machine that others use, ``--clock process --threads 1`` counts
processor time.

naive
    As the papers' code does it: a product and three poolings per wave; the gating signal resampled before it
    is projected; every element-wise operation by itself.
torch
    What runs without a kernel.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo import create_model
from unetzoo.bench.timing import interleaved
from unetzoo.blocks.squeeze import frequency_list
from unetzoo.inference.contract import ClassSpec, DataSpec, Normalisation
from unetzoo.levels import Gate, Level
from unetzoo.nd import resize
from unetzoo.onnx_export import export
from unetzoo.ops import attention_gate, dct_pool, dispatch, mfms_merge, native, sk_merge
from unetzoo.ops.attention_gate import gate_by_definition
from unetzoo.ops.dct_pool import pool_by_columns, separable_waves
from unetzoo.ops.mfms_merge import mfms_by_definition
from unetzoo.ops.sk_merge import sk_by_definition
from unetzoo.skips import AttentionGate

SHAPES = [(1, 64, 256), (1, 64, 128), (4, 64, 128), (1, 128, 64), (1, 256, 32)]
Forms = dict[str, Callable[..., Tensor]]


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--clock", choices=["wall", "process"], default="wall")
    known = [*TABLES, *EXPORTED]
    parser.add_argument("--only", nargs="*", default=known, choices=known)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    library = native.library()
    isa = library.unetzoo_isa().decode() if library else "no kernels"
    print(f"torch {torch.__version__}, {args.threads} threads, {isa}, {args.clock} clock, ", end="")
    print(f"median of {args.rounds} rounds, ms")
    dispatch.FEWEST = dict.fromkeys(
        dispatch.FEWEST, dispatch.Fewest(0, 0)
    )  # the kernel at every size: that is what is compared
    clock = time.perf_counter if args.clock == "wall" else time.process_time
    for name in args.only:
        print()
        if name in EXPORTED:
            EXPORTED[name](args.threads, args.rounds, clock)
        else:
            table(name, args.rounds, clock)


def table(op: str, rounds: int, clock: Callable[[], float]) -> None:
    """Forward, and forward with backward, of one operation at all sizes, in both orders of memory."""
    titled = False
    for shape in SHAPES:
        for last in (False, True):
            inputs, forms = TABLES[op](shape, last)
            if not titled:
                others = [name for name in forms if name != "kernel"]
                print(f"| {op}, (B, C, H = W) | pass | {' | '.join(forms)} |", end="")
                print("".join(f" {name} / kernel |" for name in others))
                print("|---|---|" + "---:|" * (len(forms) + len(others)))
                titled = True
            for name, run in (("forward", forward), ("forward and backward", both)):
                times = milliseconds({k: partial(run, f, inputs) for k, f in forms.items()}, rounds, clock)
                cells = [f"{times[k]:.2f}" for k in forms]
                ratios = [f"{times[k] / times['kernel']:.1f}" for k in others]
                layout = f"{shape}{', channels last' if last else ''}"
                print(f"| {layout} | {name} | {' | '.join(cells + ratios)} |", flush=True)


def image(shape: tuple[int, int, int], last: bool) -> Tensor:
    """A random map."""
    batch, channels, size = shape
    x = torch.randn(batch, channels, size, size)
    return x.contiguous(memory_format=torch.channels_last) if last else x


def squeeze(shape: tuple[int, int, int], last: bool) -> tuple[list[Tensor], Forms]:
    """MADGNet's statistics over 16 frequencies."""
    listed = frequency_list("top16", 2)
    x = image(shape, last)
    waves = separable_waves(listed, x.shape[2:], None, x.device).whole(x.shape[2:])

    def naive(x: Tensor) -> Tensor:
        mean, highest, lowest = (torch.zeros(()) for _ in range(3))
        for wave in waves:
            product = x * wave
            mean = mean + F.adaptive_avg_pool2d(product, 1)
            highest = highest + F.adaptive_max_pool2d(product, 1)
            lowest = lowest - F.adaptive_max_pool2d(-product, 1)
        return torch.stack([mean, highest, lowest]) / len(waves)

    def lean(x: Tensor) -> Tensor:
        products = [x * wave for wave in waves]
        ends = [torch.stack([p.mean((2, 3)), p.amax((2, 3)), p.amin((2, 3))]) for p in products]
        return torch.stack(ends).mean(0)

    return [x], {
        "naive": naive,
        "naive, amax and amin": lean,
        "torch": lambda x: pool_by_columns(x, listed, None),
        "kernel": lambda x: torch.stack(dct_pool(x, listed)),
    }


def mfms(shape: tuple[int, int, int], last: bool) -> tuple[list[Tensor], Forms]:
    """The end of AFF and MFMS."""
    pixels, skip, gate = (image(shape, last) for _ in range(3))
    inputs = [pixels, torch.randn(*shape[:2], 1, 1), skip, gate]
    return inputs, {"torch": partial(mfms_by_definition, gain=2.0), "kernel": mfms_merge}


def sk(shape: tuple[int, int, int], last: bool) -> tuple[list[Tensor], Forms]:
    """The end of a selective kernel with two maps."""
    inputs = [torch.randn(2, *shape[:2], 1, 1).softmax(0), image(shape, last), image(shape, last)]
    return inputs, {
        "naive": lambda w, a, b: sk_by_definition([a, b], w),
        "torch": lambda w, a, b: torch.lerp(b, a, w[0]),
        "kernel": lambda w, a, b: sk_merge([a, b], w),
    }


def gated(shape: tuple[int, int, int], last: bool) -> tuple[list[Tensor], Forms]:
    """An attention gate with its projections, the gating signal twice as wide and half as fine."""
    batch, channels, size = shape
    module = gate_module(channels)
    module = module.to(memory_format=torch.channels_last) if last else module
    skip, coarse = image(shape, last), image((batch, 2 * channels, size // 2), last)
    weights = list(module.parameters())

    def with_form(form: Callable[..., Tensor], skip: Tensor, coarse: Tensor, *weights: Tensor) -> Tensor:
        theta, phi, bias, psi, psi_bias = weights
        return form(skip, theta, F.conv2d(coarse, phi, bias), psi, psi_bias)

    def naive(skip: Tensor, coarse: Tensor, *weights: Tensor) -> Tensor:
        theta, phi, bias, psi, psi_bias = weights
        up = F.interpolate(coarse, scale_factor=2.0, mode="bilinear")
        inner = F.relu(F.conv2d(skip, theta) + F.conv2d(up, phi, bias))
        return skip * F.conv2d(inner, psi, psi_bias).sigmoid()

    in_torch = partial(gate_by_definition, factor=(2, 2), gain=1.0)
    return [skip, coarse, *weights], {
        "naive": naive,
        "torch": partial(with_form, in_torch),
        "kernel": partial(with_form, partial(attention_gate, factor=(2, 2))),
    }


def gate_module(channels: int) -> Any:
    """One row of `AttentionGate`."""
    rows = [Level(channels, (1, 1)), Level(2 * channels, (2, 2))]
    return AttentionGate(rows, [Gate(channels, (1, 1), rows[1])]).merges[0]


TABLES: dict[str, Any] = {"squeeze": squeeze, "mfms_merge": mfms, "sk_merge": sk, "attention_gate": gated}


class Naive(nn.Module):
    """The gate that resamples before it projects."""

    def __init__(self, gate: Any) -> None:
        super().__init__()
        self.gate = gate

    def forward(self, skip: Tensor, coarse: Tensor) -> Tensor:
        """As `Ours`."""
        up = F.interpolate(coarse, scale_factor=2.0, mode="bilinear")
        inner = F.relu(self.gate.theta(skip) + self.gate.phi(up))
        gated: Tensor = skip * self.gate.psi(inner).sigmoid()
        return gated


class Ours(Naive):
    """What `AttentionGate` exports."""

    def forward(self, skip: Tensor, coarse: Tensor) -> Tensor:
        """(B, C, *size) and the coarser signal to the gated skip."""
        gate = self.gate
        weights = gate.theta.weight, gate.phi(coarse), *gate.to_one()
        return attention_gate(skip, *weights, factor=gate.to_theta)


class Products(Naive):
    """Ours with the projections of fine maps as matrix products of maps in plain order."""

    def forward(self, skip: Tensor, coarse: Tensor) -> Tensor:
        """As `Ours`."""
        gate = self.gate
        size, signal = skip.shape[2:], resize(gate.to_theta)(gate.phi(coarse))
        theta = F.conv1d(skip.flatten(2), gate.theta.weight.flatten(2))
        inner = F.relu(theta + signal.flatten(2))
        weights = F.conv1d(inner, gate.psi.weight.flatten(2), gate.psi.bias).sigmoid()
        gated: Tensor = skip * weights.view(skip.shape[0], 1, *size)
        return gated


class Merged(nn.Module):
    """The merge of `AttentionGate` with one of these gates."""

    def __init__(self, gate: Naive) -> None:
        super().__init__()
        self.gate = gate

    def forward(self, skip: Tensor, gate: Tensor, coarse: Tensor) -> Tensor:
        """As a `Merge`."""
        return torch.cat([self.gate(skip, coarse), gate], 1)


GATES = {"naive": Naive, "ours": Ours, "products": Products}


def exported(threads: int, rounds: int, clock: Callable[[], float]) -> None:
    """The gate in ONNX Runtime, with sizes that the graph does not know."""
    print(f"| attention gate in ONNX Runtime, (B, C, H = W) | {' | '.join(GATES)} |", end="")
    print(" naive / ours | naive / products |")
    print("|---|" + "---:|" * 5)
    height, width = (2 * torch.export.Dim(name, min=2, max=4096) for name in ("h", "w"))
    coarse_size = {2: torch.export.Dim("h", min=2, max=4096), 3: torch.export.Dim("w", min=2, max=4096)}
    for shape in SHAPES:
        module, runs = gate_module(shape[1]).eval(), {}
        skip, coarse = image(shape, False), image((shape[0], 2 * shape[1], shape[2] // 2), False)
        with tempfile.TemporaryDirectory() as folder:
            for name, form in GATES.items():
                path = Path(folder) / f"{name}.onnx"
                torch.onnx.export(
                    form(module).eval(),
                    (skip, coarse),
                    path,
                    input_names=["skip", "coarse"],
                    dynamo=True,
                    opset_version=18,
                    dynamic_shapes=[{2: height, 3: width}, coarse_size],
                    verbose=False,
                )
                runs[name] = onnxruntime_run(path, threads, skip=skip, coarse=coarse)
        times = milliseconds(runs, rounds, clock)
        cells = [f"{times[name]:.2f}" for name in GATES]
        cells += [f"{times['naive'] / times[name]:.1f}" for name in ("ours", "products")]
        print(f"| {shape} | {' | '.join(cells)} |", flush=True)


def network(threads: int, rounds: int, clock: Callable[[], float]) -> None:
    """The same forms within `attention_unet`, as `unetzoo export` writes it."""
    widths, size = [32, 64, 128, 256, 512], 256
    classes = tuple(ClassSpec(name, (i,), (0, 0, 0)) for i, name in enumerate(("background", "object")))
    data = DataSpec(2, ("red", "green", "blue"), classes, Normalisation("imagenet"), (size, size))
    overrides = {"encoder.channels": widths, "decoder.channels": widths}
    x, runs = torch.randn(1, 3, size, size), {}
    with tempfile.TemporaryDirectory() as folder:
        for name, form in GATES.items():
            net: Any = create_model("attention_unet", encoder="conv2d", overrides=overrides)
            if form is not Ours:
                net.skip.merges = nn.ModuleList(Merged(form(gate)) for gate in net.skip.merges)
            path = export(net, Path(folder) / f"{name}.onnx", data=data, dynamic=True)
            runs[f"{name}, onnxruntime"] = onnxruntime_run(path, threads, image=x)
            runs[f"{name}, openvino"] = openvino_run(path, threads, x)
    times = milliseconds(runs, rounds, clock)
    print(f"| attention_unet, conv2d, {size} x {size} | {' | '.join(GATES)} |")
    print("|---|" + "---:|" * len(GATES))
    for runtime in ("onnxruntime", "openvino"):
        cells = [f"{times[f'{name}, {runtime}']:.1f}" for name in GATES]
        print(f"| {runtime} | {' | '.join(cells)} |")


def onnxruntime_run(path: Path, threads: int, **feeds: Tensor) -> Callable[[], Any]:
    """One run of a file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # or the threads of the session that had its turn would wait awake for another, on the other's processors
    options.add_session_config_entry("session.force_spinning_stop", "1")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return partial(session.run, None, {name: tensor.numpy() for name, tensor in feeds.items()})


def openvino_run(path: Path, threads: int, x: Tensor) -> Callable[[], Any]:
    """One run of a file in float32."""
    import openvino

    options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
    return partial(openvino.Core().compile_model(path, "CPU", options), [x.numpy()])


EXPORTED = {"exported": exported, "network": network}


def milliseconds(
    runs: dict[str, Callable[[], Any]], rounds: int, clock: Callable[[], float]
) -> dict[str, float]:
    """The median of each."""
    return {name: 1e3 * time.median for name, time in interleaved(runs, rounds, clock).items()}


def forward(form: Callable[..., Tensor], inputs: list[Tensor]) -> None:
    """The output alone."""
    with torch.no_grad():
        form(*inputs)


def both(form: Callable[..., Tensor], inputs: list[Tensor]) -> None:
    """The output and all gradients."""
    leaves = [t.detach().requires_grad_() for t in inputs]
    torch.autograd.grad(form(*leaves).sum(), leaves)


if __name__ == "__main__":
    main()
