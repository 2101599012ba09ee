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
from torch.nn import functional as F

from unetzoo.ops import native, scan_kernel
from unetzoo.ops.selective_scan import compiled, segments, selective_scan

pytestmark = pytest.mark.skipif(native.library() is None, reason="unetzoo-kernels is not built")

kernel: Any = compiled
plain: Any = segments
CASES = [  # batch, length, groups, width, state
    (2, 1, 1, 1, 1),
    (1, 63, 1, 16, 4),
    (2, 64, 2, 19, 16),
    (1, 65, 3, 5, 3),
    (1, 1000, 1, 33, 8),
]


def values(sizes: tuple[int, ...], rate: float = 3.0) -> dict[str, Tensor]:
    """The gradient of y and every input of the scan."""
    b, length, g, d, n = sizes
    made = torch.Generator().manual_seed(sum(sizes))
    out = {name: torch.randn(b, length, g * d, generator=made) for name in ("dy", "u", "delta")}
    out["A"] = -rate * torch.rand(g * d, n, generator=made)
    out |= {name: torch.randn(b, length, g, n, generator=made) for name in "BC"}
    out["D"] = torch.randn(g * d, generator=made)
    out["z"] = 3 * torch.randn(b, length, g * d, generator=made)
    return out | {"bias": torch.randn(g * d, generator=made)}


def assert_is_the_scan(given: dict[str, Any], reverse: bool, order: tuple[int, int] = (1, 1)) -> None:
    """Bare, and with everything around it."""
    bare: dict[str, Any] = given | {"delta": given["delta"].abs()} | dict.fromkeys(("D", "z", "bias"))
    for tensors, softplus in ((given, True), (bare, False)):
        dy, *inputs = tensors.values()
        flags = (softplus, reverse, *order)
        exact_dy, *exact = (None if t is None else t.double() for t in tensors.values())
        y, starts = kernel.forward(*inputs, *flags)
        expected, exact_starts = plain.forward(*exact, *flags)
        starts_of_kernel = starts.view(*starts.shape[:2], *reversed(starts.shape[2:])).transpose(2, 3)
        actual = [y, starts_of_kernel, *kernel.backward(dy, *inputs, starts, *flags)]
        right = [expected, exact_starts, *plain.backward(exact_dy, *exact, exact_starts, *flags)]
        # what is summed over all tokens may cancel: it is as exact as its largest terms
        floor = 1e-6 * max(float(r.norm()) for r in right if r is not None)
        for a, r in zip(actual, right, strict=True):
            assert (a is None) == (r is None)
            if a is not None and r is not None:
                assert a.shape == r.shape
                assert (a - r).norm() <= 1e-5 * r.norm() + floor


@pytest.mark.parametrize("sizes", CASES, ids=str)
@pytest.mark.parametrize("rate", [1e-4, 3.0, 100.0])
def test_outputs_and_all_gradients_are_those_of_the_definition(sizes: tuple[int, ...], rate: float) -> None:
    for reverse in (False, True):
        assert_is_the_scan(values(sizes, rate), reverse)


@settings(max_examples=30, deadline=None)
@given(
    st.tuples(
        st.integers(1, 3), st.integers(1, 9), st.integers(1, 3), st.integers(1, 40), st.integers(1, 20)
    ),
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.booleans(),
)
def test_any_size_in_any_order_is_the_scan(sizes: Any, order: tuple[int, int], reverse: bool) -> None:
    batch, sheets, *others = sizes
    assert_is_the_scan(values((batch, sheets * order[0] * order[1], *others)), reverse, order)


def test_strided_inputs_and_scratch_that_holds_no_numbers_do_not_show(monkeypatch: Any) -> None:
    made = values((2, 70, 2, 19, 16))
    strided = {name: t.movedim(0, -1).contiguous().movedim(-1, 0) for name, t in made.items()}
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
    flags = (True, False, 10, 3)
    before, results = torch.get_num_threads(), list[Any]()
    try:
        for threads in (1, 4, 4):
            torch.set_num_threads(threads)
            y, starts = kernel.forward(*inputs, *flags)
            results.append([y, starts, *kernel.backward(dy, *inputs, starts, *flags)])
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_what_is_no_number_stays_so_and_does_not_spread_to_other_channels() -> None:
    _, *inputs = values((1, 20, 1, 20, 4)).values()
    inputs[0][0, 5, 3] = torch.nan
    y, _ = kernel.forward(*inputs, True, False, 1, 1)
    assert y[0, 5:, 3].isnan().all()
    assert y.isnan().sum() == 15


def test_step_widths_and_gates_far_out_are_those_of_torch() -> None:
    far = torch.tensor([-1e4, -100.0, -88.0, -30.0, -1e-3, 0.0, 1e-3, 19.0, 21.0, 88.0, 100.0, 1e4])
    u, one = torch.ones(1, 1, len(far)), torch.ones(1, 1, 1, 1)
    decay, none = torch.full((len(far), 1), -1.0), torch.zeros(len(far))
    width, _ = kernel.forward(u, far.view(1, 1, -1), decay, one, one, none, None, none, True, False, 1, 1)
    assert torch.allclose(width, F.softplus(far), rtol=1e-6, atol=2e-37)
    gate, _ = kernel.forward(u, u, decay, one, one, none, far.view(1, 1, -1), None, False, False, 1, 1)
    assert torch.allclose(gate, F.silu(far), rtol=1e-6, atol=2e-34)


SCRIPT = """
import sys, torch
from unetzoo.ops import native, scan_kernel
from tests.kernels.test_directional_scan import SIZES, assert_is_the_sum
from tests.kernels.test_scan_kernel import CASES, assert_is_the_scan, values
from tests.kernels.test_ssd_kernel import SIZES as HEADS, assert_is_the_recurrence
torch.set_num_threads(4)
assert native.library().unetzoo_isa().decode() == sys.argv[1], native.library().unetzoo_isa()
native.library().unetzoo_use_threads_of(None)
for sizes in CASES:
    for reverse in (False, True):
        assert_is_the_scan(values(sizes), reverse)
for sizes in SIZES:
    assert_is_the_sum(sizes)
for sizes in HEADS:
    assert_is_the_recurrence(sizes, True)
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
    u = inputs[0]
    for broken in ({"length": 0}, {"fast": 3}, {"state": 4097}, {"row": 0}, {"rank": 1}, {"u": None}):
        fields = compiled._fields(compiled._contiguous(*inputs), True, False, 1, 1) | broken
        with pytest.raises(ValueError, match=r"refuses these sizes: .'batch': 1"):
            scan_kernel.run_forward(fields, u, u)
    with pytest.raises(ValueError, match="contiguous float32"):
        native.addresses(torch.zeros(3).double())


def test_the_operation_takes_the_kernel_for_single_precision_alone() -> None:
    u = torch.zeros(1, 4, 2)
    assert scan_kernel.takes(u)
    assert not scan_kernel.takes(u.double())
    assert not scan_kernel.takes(u[:, :0])


def test_the_operation_is_the_same_with_and_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    _, *inputs = (t.requires_grad_() for t in values((2, 100, 1, 24, 16)).values())
    scan: Any = selective_scan
    fast = torch.autograd.grad(scan(*inputs, True, True, (5, 20)).square().sum(), inputs)
    monkeypatch.setattr(native, "library", lambda: None)
    slow = torch.autograd.grad(scan(*inputs, True, True, (5, 20)).square().sum(), inputs)
    for a, b in zip(fast, slow, strict=True):
        assert (a - b).norm() <= 1e-5 * b.norm()
