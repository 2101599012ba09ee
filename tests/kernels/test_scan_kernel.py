"""The compiled scan against the definition in float64, whatever the instruction set and number of threads."""

import os
import subprocess
import sys
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from unetzoo.ops import native
from unetzoo.ops.selective_scan import compiled, segments, selective_scan

pytestmark = pytest.mark.skipif(native.library() is None, reason="unetzoo-kernels is not built")

CASES = [  # batch, length, groups, width, state
    (2, 1, 1, 1, 1),
    (1, 63, 1, 16, 4),
    (2, 64, 2, 19, 16),
    (1, 65, 3, 5, 3),
    (1, 1000, 1, 33, 8),
]


def values(sizes: tuple[int, ...], rate: float = 3.0) -> dict[str, Tensor]:
    b, length, g, d, n = sizes
    made = torch.Generator().manual_seed(sum(sizes))
    out = {name: torch.randn(b, length, g, d, generator=made) for name in ("dy", "u")}
    out["delta"] = torch.rand(b, length, g, d, generator=made)
    out["A"] = -rate * torch.rand(g, d, n, generator=made)
    return out | {name: torch.randn(b, length, g, n, generator=made) for name in "BC"}


def assert_is_the_scan(given: dict[str, Tensor], reverse: bool) -> None:
    dy, *inputs = given.values()
    exact_dy, *exact = (t.double() for t in given.values())
    run: Any = (compiled.forward, compiled.backward, segments.forward, segments.backward)
    y, starts = run[0](*inputs, reverse)
    expected, exact_starts = run[2](*exact, reverse)
    actual = [y, starts, *run[1](dy, *inputs, starts, reverse)]
    right = [expected, exact_starts, *run[3](exact_dy, *exact, exact_starts, reverse)]
    for a, r in zip(actual, right, strict=True):
        assert a.shape == r.shape
        assert (a - r).norm() <= 1e-5 * r.norm() + 1e-30


@pytest.mark.parametrize("sizes", CASES, ids=str)
@pytest.mark.parametrize("rate", [1e-4, 3.0, 100.0])
def test_outputs_and_all_gradients_are_those_of_the_definition(sizes: tuple[int, ...], rate: float) -> None:
    for reverse in (False, True):
        assert_is_the_scan(values(sizes, rate), reverse)


@settings(max_examples=30, deadline=None)
@given(
    st.tuples(
        st.integers(1, 3), st.integers(1, 200), st.integers(1, 3), st.integers(1, 40), st.integers(1, 20)
    ),
    st.booleans(),
)
def test_any_size_is_the_scan(sizes: tuple[int, ...], reverse: bool) -> None:
    assert_is_the_scan(values(sizes), reverse)


def test_strided_inputs_and_scratch_that_holds_no_numbers_do_not_show(monkeypatch: Any) -> None:
    made = values((2, 70, 2, 19, 16))
    strided = {name: t.transpose(0, 1).contiguous().transpose(0, 1) for name, t in made.items()}
    strided["u"] = torch.stack([made["u"]] * 2, -1)[..., 0]
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", True)
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)  # fills torch.empty with NaN
    try:
        assert_is_the_scan(strided, False)
    finally:
        torch.use_deterministic_algorithms(before)


def test_threads_and_repetition_change_no_bit() -> None:
    dy, *inputs = values((2, 300, 2, 70, 16)).values()
    run: Any = (compiled.forward, compiled.backward)
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 4, 4):
            torch.set_num_threads(threads)
            y, starts = run[0](*inputs, False)
            results.append([y, starts, *run[1](dy, *inputs, starts, False)])
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_what_is_no_number_stays_so_and_does_not_spread_to_other_channels() -> None:
    _, u, delta, A, B, C = values((1, 20, 1, 20, 4)).values()
    u[0, 5, 0, 3] = torch.nan
    y, _ = compiled.forward(u, delta, A, B, C, False)
    assert y[0, 5:, 0, 3].isnan().all()
    assert y.isnan().sum() == 15


SCRIPT = """
import sys, torch
from unetzoo.ops import native
from tests.kernels.test_scan_kernel import CASES, assert_is_the_scan, values
torch.set_num_threads(4)
assert native.library().unetzoo_isa().decode() == sys.argv[1], native.library().unetzoo_isa()
native.library().unetzoo_use_threads_of(None)
for sizes in CASES:
    for reverse in (False, True):
        assert_is_the_scan(values(sizes), reverse)
"""


@pytest.mark.parametrize("isa", ["baseline", "avx2"])
def test_narrower_instruction_sets_and_own_threads_agree(isa: str) -> None:
    if isa != "baseline" and "avx2" not in torch.backends.cpu.get_cpu_capability().lower().replace(
        "512", "2"
    ):
        pytest.skip("this processor has no AVX2")
    environment = {**os.environ, "UNETZOO_ISA": isa}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, isa], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_sizes_that_make_no_sense_are_refused_before_memory_is_touched() -> None:
    _, *inputs = values((1, 4, 1, 2, 1)).values()
    tensors = (*inputs, inputs[0], inputs[0])
    with pytest.raises(ValueError, match="refuses sizes"):
        compiled._call("unetzoo_scan_forward", tensors, inputs[0][:, :0], inputs[2], False)
    with pytest.raises(ValueError, match="contiguous float32"):
        native.addresses(torch.zeros(3).double())


def test_the_operation_takes_the_kernel_for_single_precision_alone() -> None:
    _, u, _, A, *_ = values((1, 4, 1, 2, 1)).values()
    assert compiled.takes(u, A)
    assert not compiled.takes(u.double(), A)
    assert not compiled.takes(u, torch.zeros(1, 2, 300))


def test_the_operation_is_the_same_with_and_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    _, u, delta, A, B, C = values((2, 100, 1, 24, 16)).values()
    inputs = [u.flatten(2), delta.flatten(2), A[0], B, C]
    for t in inputs:
        t.requires_grad_()
    scan: Any = selective_scan
    fast = torch.autograd.grad(scan(*inputs, reverse=True).square().sum(), inputs)
    monkeypatch.setattr(native, "library", lambda: None)
    slow = torch.autograd.grad(scan(*inputs, reverse=True).square().sum(), inputs)
    for a, b in zip(fast, slow, strict=True):
        assert (a - b).norm() <= 1e-5 * b.norm()
