"""The scans on a GPU, beside mamba_ssm's kernels and torch.compile, as Markdown tables.

    pip install --no-build-isolation mamba-ssm
    python -m benchmarks.gpu

Every form gets the same float32 inputs, lying as it wants them. Forms take turns, each until the GPU has
finished, and a time is the median of the rounds, launches included. "error" is the distance of y, and of the
gradient that is farthest off, from the recurrence in float64, relative to its norm. "mamba_ssm" is left out
where it is not installed, and the recurrence is compiled for short sequences alone: every step is unrolled.
"""

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from benchmarks.scan import in_torch, sequences, unbind
from torch import Tensor

from unetzoo.bench.timing import interleaved
from unetzoo.ops import selective_scan, ssd
from unetzoo.ops.selective_scan.export_forms import as_doubling
from unetzoo.ops.ssd import ssd_step_by_step

SHAPES = [(1, 192, 256), (1, 192, 1024), (1, 192, 4096), (8, 192, 4096), (2, 96, 16384)]
HEAD, SSD_STATES = 32, 64
LONGEST_UNROLLED = 256
Run = Callable[..., Tensor]


class Form(NamedTuple):
    """A way to compute y, of sequences that lie (B, L, D), or (B, D, L) if turned."""

    run: Run
    turned: bool = False


def main() -> None:
    """Measure and print, where there is a GPU."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=21)
    args = parser.parse_args()
    if not torch.cuda.is_available():
        print("no GPU: not measured")
        return
    torch.set_float32_matmul_precision("highest")
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, median of {args.rounds} rounds, ms\n")
    for title, given, definition, forms in (
        ("selective_scan (B, D, L), N = 16", sequences, unbind, scans),
        (f"ssd (B, D, L), heads of {HEAD}, N = {SSD_STATES}", heads, ssd_defined, dual_scans),
    ):
        print(f"| {title} | form | forward | forward and backward | error of y | of gradients |")
        print("|---|---|---:|---:|---:|---:|")
        for shape in SHAPES:
            inputs = [t.cuda() for t in given(*shape)]
            for row in rows(inputs, definition, forms(shape[2]), args.rounds):
                print(f"| {shape} | {row} |", flush=True)
        print()


def rows(inputs: list[Tensor], definition: Run, forms: dict[str, Form], rounds: int) -> list[str]:
    """What each form takes, and how exact it is."""
    exact = both(Form(definition), [t.double() for t in inputs])
    errors = {}
    for name, form in forms.items():
        found = zip(both(form, inputs), exact, strict=True)
        errors[name] = [float((a - e).norm() / e.norm()) for a, e in found]
    # not in the time of a form: bringing the inputs into its layout
    lying = {name: laid(form, inputs) for name, form in forms.items()}
    ahead = interleaved({k: partial(finished, f.run, lying[k]) for k, f in forms.items()}, rounds)
    whole = interleaved({k: partial(finished, backwards, f.run, lying[k]) for k, f in forms.items()}, rounds)
    return [
        f"{k} | {1e3 * ahead[k].median:.3f} | {1e3 * whole[k].median:.3f} | "
        f"{errors[k][0]:.0e} | {max(errors[k][1:]):.0e}"
        for k in forms
    ]


def both(form: Form, inputs: list[Tensor]) -> list[Tensor]:
    """y and all gradients, lying as the inputs do."""
    made = backwards(form.run, laid(form, inputs))
    return [t.mT if form.turned and t.dim() == 3 else t for t in made]


def laid(form: Form, inputs: list[Tensor]) -> list[Tensor]:
    """The inputs as the form takes them."""
    turned = [t.mT.contiguous() if form.turned and t.dim() == 3 else t.detach() for t in inputs]
    return [t.requires_grad_() for t in turned]


def backwards(run: Run, inputs: list[Tensor]) -> list[Tensor]:
    """y and all gradients."""
    y = run(*inputs)
    return [y.detach(), *torch.autograd.grad(y.sum(), inputs)]


def finished(work: Callable[..., Any], *inputs: Any) -> None:
    """Until the GPU is done."""
    if work is backwards:
        work(*inputs)
    else:
        with torch.no_grad():
            work(*inputs[0])
    torch.cuda.synchronize()


def scans(length: int) -> dict[str, Form]:
    """S6."""
    forms = {"kernel": Form(selective_scan), "torch": Form(in_torch)}
    forms["doubling, compiled"] = Form(torch.compile(doubling))
    if length <= LONGEST_UNROLLED:
        forms["recurrence, compiled"] = Form(torch.compile(unbind))
    try:
        from mamba_ssm.ops.selective_scan_interface import selective_scan_fn
    except ImportError:
        return forms
    return forms | {"mamba_ssm": Form(selective_scan_fn, turned=True)}


def doubling(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
    """The form of an exported file."""
    grouped = (u[:, :, None], delta[:, :, None], A[None], B[:, :, None], C[:, :, None])
    return as_doubling(*grouped, False)[:, :, 0]


def heads(batch: int, width: int, length: int) -> tuple[Tensor, ...]:
    """u, delta, A, B and C of state space duality."""
    made = torch.Generator().manual_seed(0)
    count = width // HEAD
    u = torch.randn(batch, length, count, HEAD, generator=made)
    delta = 0.1 * torch.rand(batch, length, count, generator=made)
    B, C = (torch.randn(batch, length, 1, SSD_STATES, generator=made) for _ in "BC")
    return u, delta, -torch.arange(1.0, count + 1), B, C


def ssd_defined(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
    """The recurrence."""
    return ssd_step_by_step(u[:, :, None], delta[:, :, None], A[None], B, C)[:, :, 0]


def dual_scans(length: int) -> dict[str, Form]:
    """State space duality."""
    forms = {"torch": Form(ssd), "torch, compiled": Form(torch.compile(ssd))}
    try:
        from mamba_ssm.ops.triton.ssd_combined import mamba_chunk_scan_combined
    except ImportError:
        return forms
    return forms | {"mamba_ssm": Form(partial(mamba_chunk_scan_combined, chunk_size=64))}


if __name__ == "__main__":
    main()
