"""State space duality in compiled code against its recurrence in float64."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from unetzoo.ops import native, ssd
from unetzoo.ops.ssd import _scan, compiled, ssd_step_by_step

pytestmark = pytest.mark.skipif(native.library() is None, reason="unetzoo-kernels is not built")

SIZES = [(2, 130, 3, 5, 7), (1, 65, 2, 64, 16), (3, 1, 1, 1, 1), (2, 64, 5, 7, 17)]  # B, L, H, P, N


def tensors(sizes: tuple[int, ...]) -> list[Tensor]:
    """The seven inputs, and the gradient of the output."""
    b, length, h, p, n = sizes
    g = torch.Generator().manual_seed(sum(sizes))

    def made(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=g)

    steps, decay = made(b, length, h), -made(h).exp()
    tokens = [made(b, length, n), made(b, length, n)]
    return [made(b, length, h, p), steps, decay, *tokens, made(h), made(h), made(b, length, h, p)]


def by_definition(inputs: list[Tensor], reverse: bool) -> Tensor:
    u, delta, A, B, C, D, bias = inputs
    scanned = ssd_step_by_step(
        u[:, :, None], F.softplus(delta + bias)[:, :, None], A[None], B[:, :, None], C[:, :, None], reverse
    )
    return scanned[:, :, 0] + D[:, None] * u


def in_kernel(inputs: list[Tensor], reverse: bool) -> Tensor:
    *five, D, bias = inputs
    run: Any = ssd
    y: Tensor = run(*five, D=D, delta_bias=bias, delta_softplus=True, reverse=reverse)
    return y


def assert_is_the_recurrence(sizes: tuple[int, ...], reverse: bool) -> None:
    *inputs, dy = tensors(sizes)
    leaves = [t.requires_grad_() for t in inputs]
    exact = [t.detach().double().requires_grad_() for t in inputs]
    actual, expected = in_kernel(leaves, reverse), by_definition(exact, reverse)
    results = [actual, *torch.autograd.grad(actual, leaves, dy)]
    right = [expected, *torch.autograd.grad(expected, exact, dy.double())]
    # what is summed over all tokens may cancel: it is as exact as its largest terms
    floor = 1e-6 * max(float(r.detach().norm()) for r in right)
    for a, r in zip(results, right, strict=True):
        assert a.shape == r.shape
        assert (a - r).norm() <= 1e-5 * r.norm() + floor


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("reverse", [False, True])
def test_outputs_and_all_gradients_are_those_of_the_recurrence(sizes: tuple[int, ...], reverse: bool) -> None:
    assert_is_the_recurrence(sizes, reverse)


@settings(max_examples=15, deadline=None)
@given(st.tuples(*[st.integers(1, high) for high in (2, 80, 9, 35, 20)]), st.booleans())
def test_so_they_are_for_any_size(sizes: tuple[int, ...], reverse: bool) -> None:
    assert_is_the_recurrence(sizes, reverse)


def test_scratch_that_holds_no_numbers_and_threads_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    *inputs, dy = tensors((2, 200, 5, 24, 16))
    leaves = [t.requires_grad_() for t in inputs]
    before, results = torch.get_num_threads(), []
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", True)
    torch.use_deterministic_algorithms(True)  # fills torch.empty with NaN
    try:
        for threads in (1, 4, 4):
            torch.set_num_threads(threads)
            y = in_kernel(leaves, True)
            results.append([y, *torch.autograd.grad(y, leaves, dy)])
    finally:
        torch.use_deterministic_algorithms(False)
        torch.set_num_threads(before)
    assert all(torch.isfinite(t).all() for t in results[0])
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_it_is_a_sound_operation_and_compiles_to_one_graph() -> None:
    *inputs, _ = tensors((2, 12, 2, 3, 2))
    leaves = [t.requires_grad_() for t in inputs]
    torch.library.opcheck(_scan, (*leaves, True, False))
    compiled: Any = torch.compile(in_kernel, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(leaves, True), in_kernel(leaves, True))


@pytest.mark.parametrize(
    "broken", [{"length": 0}, {"state": 4097}, {"steps": 40}, {"threads": 0}, {"u": None}]
)
def test_sizes_that_make_no_sense_are_refused_before_memory_is_touched(broken: dict[str, Any]) -> None:
    *inputs, _ = tensors((1, 4, 2, 3, 2))
    problem = compiled._problem(inputs, True, False)
    for name, value in broken.items():
        setattr(problem, name, value)
    with pytest.raises(ValueError, match=r"refuses these sizes: .'batch': 1"):
        native.call("unetzoo_ssd_forward", problem, inputs[0], inputs[0])
