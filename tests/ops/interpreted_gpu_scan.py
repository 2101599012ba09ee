"""The kernels of a GPU in Triton's interpreter; test_gpu_scan.py runs this file in a process of its own.

Whether Triton interprets is decided when it is imported.
"""

import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from unetzoo.ops.selective_scan import gpu, segments, selective_scan

UNASKED = [name for name in sys.modules if name.startswith(f"{gpu.__name__}_")]

from tests.kernels.test_scan_kernel import values  # noqa: E402
from tests.ops.test_selective_scan import defined  # noqa: E402

assert os.environ["TRITON_INTERPRET"] == "1"
kernel: Any = gpu
plain: Any = segments
definition: Any = defined
FULL, BARE = True, False


def test_triton_is_imported_only_when_a_kernel_is_asked_for() -> None:
    assert not UNASKED


@pytest.fixture(autouse=True)
def scratch_that_holds_no_numbers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", True)
    torch._C._set_deterministic_algorithms(True)  # fills torch.empty with NaN; the public switch loads dynamo
    yield
    torch._C._set_deterministic_algorithms(False)


def parts(monkeypatch: pytest.MonkeyPatch, wanted: int) -> None:
    """Let a device be full with so many programs."""
    monkeypatch.setattr(gpu, "_wanted", lambda device: wanted)


def run(given: dict[str, Any], *flags: Any) -> list[Any]:
    """y, the states between segments and the gradients of all inputs."""
    dy, *inputs = given.values()
    y, starts = kernel.forward(*inputs, *flags)
    return [y, starts, *kernel.backward(dy, *inputs, starts, *flags)]


def assert_is_the_definition(given: dict[str, Any], reverse: bool, order: tuple[int, int]) -> None:
    flags = (given["bias"] is not None, reverse, *order)
    exact_dy, *exact = (None if t is None else t.double().requires_grad_() for t in given.values())
    expected = definition(*exact, *flags[:2], order=order)
    leaves = [t for t in exact if t is not None]
    gradients = iter(torch.autograd.grad(expected, leaves, exact_dy, allow_unused=True))
    right = [expected, None, *(None if t is None else next(gradients) for t in exact)]
    right[1] = plain.forward(*(None if t is None else t.detach() for t in exact), *flags)[1]
    for a, r in zip(run(given, *flags), right, strict=True):
        assert (a is None) == (r is None)
        if a is not None:
            assert a.shape == r.shape
            assert (a - r).norm() <= 1e-5 * r.norm() + 1e-30


@pytest.mark.parametrize(
    ("sizes", "order", "reverse", "rate", "surrounded", "wanted"),
    [
        ((2, 1, 1, 1, 1), (1, 1), False, 3.0, FULL, 1),
        ((2, 6, 3, 5, 3), (2, 3), True, 3.0, FULL, 1),
        ((1, 63, 1, 19, 16), (7, 9), True, 100.0, FULL, 1),
        ((1, 64, 1, 5, 3), (8, 4), False, 1e-4, FULL, 1),
        ((1, 65, 1, 5, 1), (1, 1), True, 3.0, FULL, 100),
        ((1, 200, 1, 3, 3), (5, 20), False, 3.0, BARE, 2),
    ],
    ids=str,
)
def test_outputs_and_all_gradients_are_those_of_the_definition(
    sizes: Any,
    order: Any,
    reverse: bool,
    rate: float,
    surrounded: bool,
    wanted: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parts(monkeypatch, wanted)
    given: dict[str, Any] = values(sizes, rate)
    if not surrounded:
        given |= {"delta": given["delta"].abs()} | dict.fromkeys(("D", "z", "bias"))
    assert_is_the_definition(given, reverse, order)


@pytest.mark.parametrize("backwards", [False, True])
def test_chunks_are_carried_over_as_steps_are(backwards: bool) -> None:
    chunks, batch, channels, state = 11, 2, 3, 3
    A, ends, totals = -torch.rand(channels, state), torch.randn(chunks, 2, 3, 3), torch.rand(chunks, 2, 3)
    order = [*range(chunks)][:: -1 if backwards else 1]
    expected, h = torch.empty_like(ends), torch.zeros(2, 3, 3)
    for c in order:
        expected[c] = h
        h = torch.exp(totals[c, ..., None] * A) * h + ends[c]
    ends[order[-1]] = torch.nan  # nothing comes after it
    plan = gpu._Plan(0, chunks, 0, (batch, channels, state), {}, {})
    run = gpu.kernels()
    assert run is not None
    gpu._carry(run.carry, ends, totals, A, plan, 1, backwards=backwards)
    assert torch.allclose(ends, expected, rtol=1e-5, atol=1e-6)


def test_two_runs_are_equal_bit_for_bit_and_strides_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    parts(monkeypatch, 1)
    given = values((1, 12, 1, 5, 3))
    once = run(given, True, False, 3, 4)
    given["u"] = torch.stack([given["u"]] * 2, -1)[..., 0]
    assert all(torch.equal(a, b) for a, b in zip(once, run(given, True, False, 3, 4), strict=True))


def test_half_precision_is_read_as_it_is_and_summed_up_in_single(monkeypatch: pytest.MonkeyPatch) -> None:
    parts(monkeypatch, 1)
    monkeypatch.setattr(gpu, "takes", lambda *_: True)
    scan: Any = selective_scan
    _, *inputs = values((1, 20, 1, 5, 3)).values()
    half = [t.bfloat16() if t.dim() > 2 else t for t in inputs]
    leaves = [t.clone().requires_grad_() for t in half]
    y = scan(*leaves, True, False, (4, 5))
    exact = [t.double().requires_grad_() for t in half]
    right = scan(*exact, True, False, (4, 5))
    assert y.dtype == torch.bfloat16
    assert (y - right).norm() <= 2**-7 * right.norm()
    expected = torch.autograd.grad(right.square().sum(), exact)
    for g, leaf, e in zip(torch.autograd.grad(y.square().sum(), leaves), leaves, expected, strict=True):
        assert g.dtype == leaf.dtype
        assert (g - e).norm() <= 2**-6 * e.norm()


def test_step_widths_and_gates_far_out_are_those_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    parts(monkeypatch, 1)
    far = torch.tensor([-1e4, -100.0, -88.0, -30.0, -1e-3, 0.0, 1e-3, 19.0, 21.0, 88.0, 100.0, 1e4])
    u, one = torch.ones(1, 1, len(far)), torch.ones(1, 1, 1, 1)
    decay, none = torch.full((len(far), 1), -1.0), torch.zeros(len(far))
    width, _ = kernel.forward(u, far.view(1, 1, -1), decay, one, one, none, None, none, True, False, 1, 1)
    assert torch.allclose(width, torch.nn.functional.softplus(far), rtol=1e-5, atol=2e-37)
    gate, _ = kernel.forward(u, u, decay, one, one, none, far.view(1, 1, -1), None, False, False, 1, 1)
    assert torch.allclose(gate, torch.nn.functional.silu(far), rtol=1e-5, atol=2e-34)
