"""The compiled merges against their definitions in float64, in both orders of memory."""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from unetzoo.ops import attention_gate, dct_pool, dispatch, mfms_merge, native, sk_merge
from unetzoo.ops.attention_gate import gate_by_definition, projected
from unetzoo.ops.dct_pool import pool_wave_by_wave, separable_waves
from unetzoo.ops.dispatch import Fewest
from unetzoo.ops.mfms_merge import mfms_by_definition
from unetzoo.ops.sk_merge import sk_by_definition

pytestmark = pytest.mark.skipif(not native.has("unetzoo_gate_forward"), reason="unetzoo-kernels is not built")

Size = tuple[int, ...]
SIZES: list[Size] = [(2, 5, 7, 9), (1, 33, 17, 40), (3, 1, 1, 1), (2, 19, 2, 5, 6), (1, 2, 70, 3)]
FREQUENCIES = {2: [(0, 0), (0, 1), (6, 0), (3, 5), (2, 2)], 3: [(0, 0, 0), (1, 0, 4), (2, 6, 1)]}


@pytest.fixture(autouse=True)
def at_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels run where they would not be worth it."""
    monkeypatch.setattr(dispatch, "FEWEST", dict.fromkeys(dispatch.FEWEST, Fewest(0, 0)))


def maps(made: torch.Generator, size: Size, last: bool) -> Tensor:
    batch, channels, *rest = size
    if last:
        return torch.randn(batch, *rest, channels, generator=made).movedim(-1, 1)
    return torch.randn(size, generator=made)


def mfms(size: Size, made: torch.Generator, last: bool) -> tuple[list[Tensor], Any, Any]:
    pixels, skip, gate = (maps(made, size, last) for _ in range(3))
    whole = torch.randn(*size[:2], *[1] * (len(size) - 2), generator=made)
    defined: Any = mfms_by_definition
    return [pixels, whole, skip, gate], mfms_merge, lambda *given: defined(*given, 2.0)


def sk(size: Size, made: torch.Generator, last: bool) -> tuple[list[Tensor], Any, Any]:
    count = 2 + size[0] % 3
    first = torch.rand(1, *size[:2], *[1] * (len(size) - 2), generator=made)
    # not torch's softmax, whose last bit depends on the number of threads
    weights = torch.cat([first, *[(1 - first) / (count - 1)] * (count - 1)])
    given = [weights, *(maps(made, size, last) for _ in range(count))]
    return given, lambda w, *x: sk_merge(x, w), lambda w, *x: sk_by_definition(x, w)


def gate(size: Size, made: torch.Generator, last: bool) -> tuple[list[Tensor], Any, Any]:
    batch, channels, *coarse = size
    factor = (*[1 + channels % 4] * (len(coarse) - 1), 1 + batch % 2)
    fine = (batch, channels, *(n * f for n, f in zip(coarse, factor, strict=True)))
    inner = 1 + channels // 2
    signal, ones = maps(made, (batch, inner, *coarse), last), [1] * len(coarse)
    project = torch.randn(inner, channels, *ones, generator=made) / channels**0.5
    psi, bias = torch.randn(1, inner, *ones, generator=made), torch.randn(1, generator=made)
    given = [maps(made, fine, last), project, signal, psi, bias]
    defined: Any = gate_by_definition
    return (
        given,
        lambda *given: attention_gate(*given, factor=factor, gain=2.0),
        lambda *given: defined(*given, factor, 2.0),
    )


def pool(size: Size, made: torch.Generator, last: bool) -> tuple[list[Tensor], Any, Any]:
    frequencies: Any = FREQUENCIES[len(size) - 2]
    period = 7 if size[1] % 2 else None
    waves = separable_waves(frequencies, size[2:], period, torch.device("cpu"))

    def defined(x: Tensor) -> Tensor:
        exact = waves._replace(
            along_rows=waves.along_rows.double(), along_columns=waves.along_columns.double()
        )
        return pool_wave_by_wave(x, exact.whole(x.shape[2:]))

    given = [maps(made, size, last)]
    return given, lambda x: torch.stack(dct_pool(x, frequencies, period=period)), defined


Op = Callable[[Size, torch.Generator, bool], tuple[list[Tensor], Any, Any]]
OPS: dict[str, Op] = {"mfms": mfms, "sk": sk, "gate": gate, "pool": pool}
every_op = pytest.mark.parametrize("op", OPS)


def run(op: str, size: Size, last: bool) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """What the operation gives, with gradients and without, and all gradients; the same by definition, and
    what rounding may cost.
    """
    made = torch.Generator().manual_seed(sum(size))
    inputs, operation, definition = OPS[op](size, made, last)
    leaves = [t.detach().requires_grad_() for t in inputs]
    exact = [t.detach().double().requires_grad_() for t in inputs]
    y, z = operation(*leaves), definition(*exact)
    d = torch.randn(y.shape, generator=made)
    with torch.no_grad():
        alone = operation(*leaves)
    actual = [alone, y, *torch.autograd.grad(y, leaves, d)]
    right = [z, z, *torch.autograd.grad(z, exact, d.double())]
    # a sum of few numbers is as exact as its terms
    scales = [r.norm() + 1e-2 * d.norm() * (r.numel() < 16) for r in right]
    return actual, right, scales


def assert_agrees(op: str, size: Size, last: bool = False) -> None:
    for a, r, scale in zip(*run(op, size, last), strict=True):
        assert a.shape == r.shape
        assert (a - r).norm() <= 1e-5 * scale + 1e-30


@every_op
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_outputs_and_all_gradients_are_those_of_the_definition(op: str, size: Size) -> None:
    for last in (False, True):
        assert_agrees(op, size, last)


@settings(max_examples=8, deadline=None)
@given(
    st.sampled_from([*OPS]),
    st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(1, 40), st.integers(1, 40)),
    st.booleans(),
)
def test_any_size_agrees(op: str, size: Size, last: bool) -> None:
    assert_agrees(op, size, last)


@every_op
def test_strided_inputs_and_scratch_that_holds_no_numbers_do_not_show(op: str, monkeypatch: Any) -> None:
    dense = OPS[op]

    def strided(size: Size, made: torch.Generator, last: bool) -> tuple[list[Tensor], Any, Any]:
        inputs, *both = dense(size, made, last)
        return [torch.stack([t] * 2, -1)[..., 0] for t in inputs], both[0], both[1]

    monkeypatch.setitem(OPS, op, strided)
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", True)
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)  # fills torch.empty with NaN
    try:
        assert_agrees(op, (2, 19, 9, 20))
    finally:
        torch.use_deterministic_algorithms(before)


@every_op
def test_threads_and_repetition_change_no_bit(op: str) -> None:
    before, results = torch.get_num_threads(), list[list[Tensor]]()
    try:
        for threads in (1, 4, 4):
            torch.set_num_threads(threads)
            results.extend(run(op, (2, 30, 40, 40), last)[0] for last in (False, True))
    finally:
        torch.set_num_threads(before)
    own = slice(0, 1 if op == "gate" else None)  # where it trains, torch's convolutions depend on threads
    for one, other in zip(results[:2], results[2:4], strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one[own], other[own], strict=True))
    for one, other in zip(results[2:4], results[4:], strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@every_op
def test_channels_stay_last(op: str) -> None:
    inputs, operation, _ = OPS[op]((2, 5, 7, 9), torch.Generator().manual_seed(0), True)
    y = operation(*inputs)
    assert op == "pool" or y.is_contiguous(memory_format=torch.channels_last)


@every_op
def test_what_is_no_number_stays_so_in_its_own_channel_or_pixel(op: str) -> None:
    inputs, operation, _ = OPS[op]((2, 5, 7, 9), torch.Generator().manual_seed(0), False)
    (inputs[0] if op in ("gate", "pool") else inputs[-1])[1, 3, 2, 4] = torch.nan
    y = operation(*inputs)
    assert y.isnan().sum() == {"pool": 3, "gate": 5}.get(op, 1)
    assert (y[:, 1, 3] if op == "pool" else y[1, 3, 2, 4]).isnan().all()


@every_op
def test_the_operation_is_the_same_without_a_kernel_and_at_sizes_where_it_loses(
    op: str, monkeypatch: Any
) -> None:
    monkeypatch.setattr(dispatch, "FEWEST", dict.fromkeys(dispatch.FEWEST, Fewest(10**9, 10**9)))
    assert_agrees(op, (2, 19, 9, 20))
    monkeypatch.setattr(native, "library", lambda: None)
    monkeypatch.setattr(dispatch, "FEWEST", dict.fromkeys(dispatch.FEWEST, Fewest(0, 0)))
    assert_agrees(op, (2, 19, 9, 20))


@every_op
def test_double_precision_runs_in_torch(op: str) -> None:
    inputs, operation, definition = OPS[op]((1, 5, 4, 6), torch.Generator().manual_seed(0), False)
    exact = [t.double() for t in inputs]
    torch.testing.assert_close(operation(*exact), definition(*exact), rtol=1e-12, atol=1e-12)


def test_torch_checks_the_operations() -> None:
    ops = {"mfms": "mfms_merge", "sk": "sk_merge", "gate": "attention_gate", "pool": "dct_pool"}
    for op, name in ops.items():
        inputs, _, _ = OPS[op]((1, 5, 4, 6), torch.Generator().manual_seed(0), False)
        leaves: list[Any] = [t.requires_grad_() for t in inputs]
        settings: dict[str, list[Any]] = {"mfms": [2.0], "sk": [], "gate": [[2, 2], 1.0]}
        rest = settings.get(op, [[0, 0, 1, 2], None])
        if op == "gate":
            rest[0] = [a // b for a, b in zip(leaves[0].shape[2:], leaves[2].shape[2:], strict=True)]
            without_gradient = [t.detach() for t in leaves]
            torch.library.opcheck(
                torch.ops.unetzoo.projecting_attention_gate.default, (*without_gradient, *rest)
            )
            leaves[1] = projected(leaves[0], leaves[1]).detach().requires_grad_()
        given = [leaves[1:], leaves[0]] if op == "sk" else leaves
        torch.library.opcheck(getattr(torch.ops.unetzoo, name).default, (*given, *rest))


@every_op
def test_compiles_as_one_graph(op: str) -> None:
    inputs, operation, definition = OPS[op]((1, 5, 4, 6), torch.Generator().manual_seed(0), False)
    compiled = torch.compile(lambda *given: operation(*given), fullgraph=True, backend="aot_eager")
    expected = definition(*(t.double() for t in inputs))
    torch.testing.assert_close(compiled(*inputs), expected.float(), rtol=1e-5, atol=1e-5)


SCRIPT = """
import sys, torch
from unetzoo.ops import dispatch, native
from tests.kernels.test_merge_kernels import OPS, SIZES, assert_agrees
torch.set_num_threads(4)
assert native.library().unetzoo_isa().decode() == sys.argv[1], native.library().unetzoo_isa()
native.library().unetzoo_use_threads_of(None)
dispatch.FEWEST = dict.fromkeys(dispatch.FEWEST, dispatch.Fewest(0, 0))
for op in OPS:
    for size in SIZES[:2]:
        assert_agrees(op, size, False)
        assert_agrees(op, size, True)
"""


@pytest.mark.parametrize("isa", ["baseline", "avx2"])
def test_narrower_instruction_sets_and_own_threads_agree(isa: str) -> None:
    capability = torch.backends.cpu.get_cpu_capability().lower().replace("512", "2")
    if isa != "baseline" and "avx2" not in capability:
        pytest.skip("this processor has no AVX2")
    environment = {**os.environ, "UNETZOO_ISA": isa}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, isa], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
