"""State space duality against its recurrence."""

from typing import Any

import pytest
import torch
from torch import Tensor

from unetzoo.ops import selective_scan, ssd
from unetzoo.ops.ssd import ssd_step_by_step

chunked: Any = ssd
step_by_step: Any = ssd_step_by_step


def sequences(length: int, rate: float, groups: int = 2) -> list[Any]:
    g = torch.Generator().manual_seed(length)
    shape = (2, length, groups, 3)
    u = torch.randn(*shape, 5, generator=g, dtype=torch.float64)
    delta = torch.rand(*shape, generator=g, dtype=torch.float64)
    A = -rate * torch.rand(groups, 3, generator=g, dtype=torch.float64)
    B, C = (torch.randn(2, length, groups, 4, generator=g, dtype=torch.float64) for _ in "BC")
    return [u, delta, A, B, C]


def heads(inputs: list[Tensor]) -> list[Any]:
    u, delta, A, B, C = inputs
    return [u.flatten(2, 3), delta.flatten(2), A.flatten(), B, C]


@pytest.mark.parametrize("rate", [1e-6, 1.0, 100.0])
def test_chunks_are_the_recurrence_at_every_length(rate: float) -> None:
    for length in (1, 2, 7, 63, 64, 65, 75, 1000, 4096):
        exact = sequences(length, rate)
        for reverse in (False, True):
            expected = step_by_step(*exact, reverse=reverse).flatten(2, 3)
            scale = expected.abs().max()
            assert (chunked(*heads(exact), reverse=reverse) - expected).abs().max() < 1e-12 * scale
            single = chunked(*(t.float() for t in heads(exact)), reverse=reverse)
            assert (single - expected).abs().max() < 1e-5 * scale


def test_it_is_the_selective_scan_with_one_decay_per_head() -> None:
    u, delta, A, B, C = sequences(50, 1.0, groups=1)
    wide = delta.flatten(2).repeat_interleave(5, 2)
    decays = A.flatten().repeat_interleave(5)[:, None].expand(15, 4)
    expected = selective_scan(u.flatten(2), wide, decays, B, C)
    assert torch.allclose(chunked(*heads([u, delta, A, B, C])).flatten(2), expected)


def test_gradcheck() -> None:
    inputs = [t.requires_grad_() for t in heads([t[:1] if t.dim() > 2 else t for t in sequences(7, 1.0)])]
    assert torch.autograd.gradcheck(lambda *args: chunked(*args, chunk=3), inputs)


def test_the_size_of_a_chunk_does_not_show() -> None:
    inputs = heads(sequences(100, 1.0))
    assert torch.allclose(chunked(*inputs, chunk=8), chunked(*inputs, chunk=128))


def test_wrong_shapes_are_refused_by_name() -> None:
    u, delta, A, B, C = heads(sequences(10, 1.0))
    with pytest.raises(ValueError, match=r"u must be \(B, L, H, P\)"):
        chunked(u, delta[:, 1:], A, B, C)
    with pytest.raises(ValueError, match="G a divisor of 6"):
        chunked(u, delta, A, B[:, :, :1].expand(-1, -1, 4, -1), C[:, :, :1].expand(-1, -1, 4, -1))
