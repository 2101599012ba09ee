"""The selective scan in every form, beside mambapy's parallel scan, as Markdown tables.

    pip install --no-deps mambapy
    python -m benchmarks.scan --threads 2

Each form gets the same u, delta, A, B and C of N = 16 states and returns y; mambapy's has its decays and
inputs made and its states read by the same torch lines that its own models use. Each shape has a process of
its own, forms take turns, and a time is the median of the rounds. "index" is the recurrence with ``x[:, t]``
in a Python loop, whose backward pass writes a gradient of full size per step; "unbind" is the same loop over
``x.unbind(1)``. UNETZOO_ISA=avx2 or baseline chooses a narrower kernel; --keep-memory measures in a process
that keeps the memory it frees, as `unetzoo train` does, which helps most whatever takes most memory.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from benchmarks.peak import MIB, QUIET, peak_rise
from torch import Tensor, nn

from unetzoo.allocation import keep_freed_memory
from unetzoo.bench.timing import Time, interleaved
from unetzoo.ops import native, selective_scan, selective_scan_fn
from unetzoo.ops.selective_scan import recorded_as, scan_step_by_step, segments
from unetzoo.ops.selective_scan.export_forms import FORMS

STATES = 16
SHAPES = [(1, 192, 1024), (1, 384, 1024), (1, 192, 4096), (4, 64, 4096), (2, 96, 16384)]
NAMES = ["u", "delta", "A", "B", "C"]
EXPORTED = [(96, 256), (96, 1024), (96, 4096)]
CHANNELS_FIRST = "selective_scan_fn"
FORMS_IN_TORCH = "unbind", "torch", "kernel", CHANNELS_FIRST, "mambapy"
Inputs = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
Form = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--keep-memory", action="store_true")
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=[*TABLES])
    parser.add_argument("--peak-of", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--rows-of", nargs=3, type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.peak_of:
        form, *shape = args.peak_of
        print(rise(FORMS_WITH_GRADIENT[form], tuple(map(int, shape))))
        return
    if args.keep_memory:
        keep_freed_memory()
    if args.rows_of:
        rows(tuple(args.rows_of), args.rounds)
        return
    library = native.library()
    isa = library.unetzoo_isa().decode() if library else "no kernels"
    print(f"torch {torch.__version__}, {args.threads} threads, {isa}, median of {args.rounds} rounds, ms\n")
    for table in args.tables:
        TABLES[table](args.threads, args.rounds)
        print()


def eager(threads: int, rounds: int) -> None:
    """Forward and backward of what torch can run, each shape in a process of its own.

    What other shapes leave behind in a process decides how much of its memory mambapy has to fetch anew.
    """
    print("| (B, D, L) | pass | " + " | ".join(FORMS_IN_TORCH) + " | kernel against mambapy |")
    print("|---|---|" + "---:|" * (len(FORMS_IN_TORCH) + 1), flush=True)
    for shape in SHAPES:
        alone = [sys.executable, "-m", "benchmarks.scan", *sys.argv[1:], "--rows-of", *map(str, shape)]
        subprocess.run(alone, check=True)


def rows(shape: tuple[int, int, int], rounds: int) -> None:
    """The rows of a shape in the table of `eager`."""
    runs: list[Form] = [unbind, in_torch, selective_scan, selective_scan_fn, mambapy]
    forms = dict(zip(FORMS_IN_TORCH, runs, strict=True))
    inputs = sequences(*shape)
    first: Any = tuple(t if t.dim() == 2 else t.mT.contiguous() for t in inputs)
    passes: dict[str, Callable[[Form, Inputs], Any]] = {"forward": forward, "backward": backward}
    for name, run in passes.items():
        # a loop over many tokens takes a minute backwards and is no news
        taken = {k: f for k, f in forms.items() if k != "unbind" or (name == "forward" and shape[2] <= 4096)}
        times = interleaved(
            {k: partial(run, f, first if k == CHANNELS_FIRST else inputs) for k, f in taken.items()},
            rounds,
        )
        cells = [ms(times[k]) if k in times else "-" for k in forms]
        ratio = times["mambapy"].median / times["kernel"].median
        print(f"| {shape} | {name} | {' | '.join(cells)} | {ratio:.0f} |")


def ms(taken: Time) -> str:
    """Milliseconds of a cell."""
    return f"{1e3 * taken.median:.1f}"


def memory(threads: int, rounds: int) -> None:
    """What a forward and a backward pass hold at most beside inputs, output and gradients."""
    print(
        "| (B, D, L) | inputs and outputs, MiB | kernel beside them, MiB | ratio | mambapy beside them, MiB |"
    )
    print("|---|---:|---:|---:|---:|")
    for shape in SHAPES:
        inputs = sequences(*shape)
        outputs = inputs[0].nbytes + sum(t.nbytes for t in inputs)
        whole = outputs + sum(t.nbytes for t in inputs)
        kernel, peer = (alone(form, shape, threads) - outputs for form in FORMS_WITH_GRADIENT)
        print(
            f"| {shape} | {whole / MIB:.1f} | {kernel / MIB:.1f} | {kernel / whole:.2f} | {peer / MIB:.0f} |"
        )


def alone(form: str, shape: tuple[int, ...], threads: int) -> int:
    """`rise` in a process of its own, whose memory goes back to the system at once."""
    command = [sys.executable, "-m", "benchmarks.scan", f"--threads={threads}", "--peak-of", form]
    command += map(str, shape)
    environment = os.environ | QUIET | {"OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return int(done.stdout.splitlines()[-1])


def rise(form: Form, shape: tuple[int, ...]) -> int:
    """Bytes by which this process grows in a forward and a backward pass."""
    both(form, sequences(shape[0], shape[1], 64))  # libraries load their code
    inputs = sequences(*shape)
    return peak_rise(lambda: both(form, inputs))


def quadratic(threads: int, rounds: int) -> None:
    """What reading steps by index costs the backward pass: twice the length, four times the time."""
    forms: dict[str, Form] = {
        "index": by_index,
        "unbind": unbind,
        "torch": in_torch,
        "kernel": selective_scan,
    }
    print("| L, forward and backward of (1, 64, L) | " + " | ".join(forms) + " |")
    print("|---:|" + "---:|" * len(forms))
    for length in (256, 512, 1024):
        inputs = sequences(1, 64, length)
        times = interleaved({k: partial(both, f, inputs) for k, f in forms.items()}, min(rounds, 3))
        print(f"| {length} | {' | '.join(map(ms, times.values()))} |")


def exported(threads: int, rounds: int) -> None:
    """What ONNX Runtime makes of each form."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    print("| (D, L) in ONNX Runtime | " + " | ".join(FORMS) + " |")
    print("|---|" + "---:|" * len(FORMS))
    with tempfile.TemporaryDirectory() as folder:
        sessions = {}
        for form in FORMS:
            path = Path(folder) / f"{form}.onnx"
            write(path, form)
            sessions[form] = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        for width, length in EXPORTED:
            inputs = sequences(1, width, length)
            feeds = dict(zip(NAMES, (t.numpy() for t in inputs), strict=True))
            times = interleaved({k: partial(answer, s, feeds) for k, s in sessions.items()}, rounds)
            print(f"| {(width, length)} | {' | '.join(map(ms, times.values()))} |")


def answer(session: Any, feeds: dict[str, Any]) -> None:
    """Run it."""
    session.run(None, feeds)


class Scan(nn.Module):
    """The operation, to be recorded."""

    def forward(self, u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
        """As `selective_scan`."""
        return selective_scan(u, delta, A, B, C)


def write(path: Path, form: str) -> None:
    """Record the operation in this form for any length."""
    free = torch.export.Dim("length", min=2, max=65536)
    with recorded_as(form):
        torch.onnx.export(
            Scan().eval(),
            sequences(1, EXPORTED[0][0], 70),
            path,
            input_names=NAMES,
            dynamo=True,
            opset_version=18,
            dynamic_shapes=[{1: free}, {1: free}, None, {1: free}, {1: free}],
            verbose=False,
        )


def sequences(batch: int, width: int, length: int) -> Inputs:
    """Random inputs with decays of every speed."""
    made = torch.Generator().manual_seed(0)
    u = torch.randn(batch, length, width, generator=made)
    delta = 0.1 * torch.rand(batch, length, width, generator=made)
    A = -torch.arange(1.0, STATES + 1).repeat(width, 1)
    B, C = (torch.randn(batch, length, STATES, generator=made) for _ in "BC")
    return u, delta, A, B, C


def forward(form: Form, inputs: Inputs) -> None:
    """y alone."""
    with torch.no_grad():
        form(*inputs)


def backward(form: Form, inputs: Inputs) -> float:
    """Seconds for all gradients once y is there."""
    leaves = [t.detach().requires_grad_() for t in inputs]
    y = form(*leaves).sum()
    start = time.perf_counter()
    torch.autograd.grad(y, leaves)
    return time.perf_counter() - start


def both(form: Form, inputs: Inputs) -> None:
    """y and all gradients."""
    leaves = [t.detach().requires_grad_() for t in inputs]
    torch.autograd.grad(form(*leaves).sum(), leaves)


def unbind(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
    """The definition."""
    return scan_step_by_step(u[:, :, None], delta[:, :, None], A[None], B[:, :, None], C[:, :, None])[:, :, 0]


def by_index(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
    """The definition with steps read by index."""
    decay, entering = torch.exp(delta[..., None] * A), (delta * u)[..., None] * B[:, :, None]
    state, out = torch.zeros_like(entering[:, 0]), []
    for t in range(u.shape[1]):
        state = decay[:, t] * state + entering[:, t]
        out.append((state * C[:, t, None]).sum(-1))
    return torch.stack(out, 1)


class InTorch(torch.autograd.Function):
    """What runs without a kernel."""

    @staticmethod
    def forward(ctx: Any, *inputs: Tensor) -> Tensor:
        """y."""
        u, delta, A, B, C = inputs
        whole = (u, delta, A, B[:, :, None], C[:, :, None])
        y, starts = segments.forward(*whole, None, None, None, False, False, 1, 1)
        ctx.save_for_backward(*whole, starts)
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        """All gradients."""
        u, delta, A, B, C, starts = ctx.saved_tensors
        rest = (None, None, None, starts, False, False, 1, 1)
        grads: Any = segments.backward(dy.contiguous(), u, delta, A, B, C, *rest)
        return *grads[:3], *(grad[:, :, 0] for grad in grads[3:5])


def in_torch(*inputs: Tensor) -> Tensor:
    """The segments of `unetzoo.ops`, kernel or not."""
    y: Tensor = InTorch.apply(*inputs)
    return y


def mambapy(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
    """alxndrTL/mamba.py, the fastest scan of plain torch that is published."""
    from mambapy.pscan import pscan

    states: Tensor = pscan(torch.exp(delta[..., None] * A), (delta * u)[..., None] * B[:, :, None])
    return (states @ C[..., None])[..., 0]


FORMS_WITH_GRADIENT: dict[str, Form] = {"kernel": selective_scan, "mambapy": mambapy}
TABLES = {"eager": eager, "memory": memory, "quadratic": quadratic, "exported": exported}

if __name__ == "__main__":
    main()
