"""All directions of a map in one operation against one scan each, in float64."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from unetzoo.ops import directional_scan, dispatch, native
from unetzoo.ops.directional_scan import _scan, scans_summed

pytestmark = pytest.mark.skipif(native.library() is None, reason="unetzoo-kernels is not built")

SIZES = [  # batch, rows, columns, width, state, rank
    (2, 5, 7, 19, 3, 2),
    (1, 13, 10, 32, 16, 4),
    (1, 1, 1, 1, 1, 1),
    (3, 16, 16, 40, 5, 17),
]


def tensors(sizes: tuple[int, ...]) -> list[Tensor]:
    """The six inputs, and the gradient of the output."""
    b, rows, columns, d, n, r = sizes
    g = torch.Generator().manual_seed(sum(sizes))

    def made(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=g)

    length = rows * columns
    u, dy = made(b, length, d), made(b, length, d)
    return [u, made(b, length, 4, r + 2 * n), made(4, d, r), -made(4, d, n).exp(), made(4, d), made(4, d), dy]


def ways_of(rows: int, columns: int) -> list[tuple[bool, int, int]]:
    return [(way, *order) for order in ((columns, 1), (rows, columns)) for way in (False, True)]


def assert_is_the_sum(sizes: tuple[int, ...]) -> None:
    *inputs, dy = tensors(sizes)
    leaves = [t.requires_grad_() for t in inputs]
    exact = [t.detach().double().requires_grad_() for t in inputs]
    ways = ways_of(*sizes[1:3])
    actual: Any = directional_scan(*leaves, ways)  # type: ignore[call-arg, arg-type]
    expected: Any = scans_summed(*exact, ways)  # type: ignore[call-arg, arg-type]
    results = [actual, *torch.autograd.grad(actual, leaves, dy)]
    right = [expected, *torch.autograd.grad(expected, exact, dy.double())]
    # what is summed over all tokens may cancel: it is as exact as its largest terms
    floor = 1e-6 * max(float(r.detach().norm()) for r in right)
    for a, r in zip(results, right, strict=True):
        assert a.shape == r.shape
        assert (a - r).norm() <= 1e-5 * r.norm() + floor


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_all_directions_at_once_are_the_sum_of_the_scans(sizes: tuple[int, ...]) -> None:
    assert_is_the_sum(sizes)


@settings(max_examples=20, deadline=None)
@given(st.tuples(*[st.integers(1, high) for high in (2, 9, 9, 35, 9, 9)]))
def test_so_they_are_for_any_size(sizes: tuple[int, ...]) -> None:
    assert_is_the_sum(sizes)


def test_scratch_that_holds_no_numbers_and_threads_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    *inputs, dy = tensors((2, 9, 30, 70, 16, 3))
    leaves = [t.requires_grad_() for t in inputs]
    before, results = torch.get_num_threads(), []
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", True)
    torch.use_deterministic_algorithms(True)  # fills torch.empty with NaN
    try:
        for threads in (1, 4, 4):
            torch.set_num_threads(threads)
            y: Any = directional_scan(*leaves, ways_of(9, 30))  # type: ignore[call-arg, arg-type]
            results.append([y, *torch.autograd.grad(y, leaves, dy)])
    finally:
        torch.use_deterministic_algorithms(False)
        torch.set_num_threads(before)
    assert all(torch.isfinite(t).all() for t in results[0])
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_it_is_a_sound_operation_and_compiles_to_one_graph() -> None:
    *inputs, _ = tensors((2, 3, 4, 5, 2, 2))
    ways = ways_of(3, 4)
    leaves = [t.requires_grad_() for t in inputs]
    torch.library.opcheck(_scan, (*leaves, [int(n) for way in ways for n in way]))
    compiled: Any = torch.compile(directional_scan, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(*leaves, ways), directional_scan(*leaves, ways))  # type: ignore[call-arg, arg-type]


def test_it_is_noted_as_one_operation_and_what_the_definition_calls_is_not() -> None:
    *inputs, _ = (t.to("meta") for t in tensors((1, 3, 4, 5, 2, 2)))
    with dispatch.noting() as choices:
        directional_scan(*inputs, ways_of(3, 4))  # type: ignore[call-arg, arg-type]
    assert choices == [("directional_scan", (1, 12, 5), True)]


def test_shapes_that_do_not_fit_are_refused() -> None:
    *inputs, _ = tensors((1, 3, 4, 5, 2, 2))
    with pytest.raises(ValueError, match=r"terms is \(1, 12, 4, 6\) and must be \(1, 12, 3, 6\) for 3"):
        directional_scan(*inputs, ways_of(3, 4)[1:])  # type: ignore[call-arg, arg-type]
    with pytest.raises(ValueError, match=r"order \(5, 3\) does not divide 12"):
        directional_scan(*inputs, [(False, 5, 3)] * 4)  # type: ignore[call-arg, arg-type]
