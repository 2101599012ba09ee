from typing import Any

import pytest
import torch
from torch import Tensor

from unetzoo.blocks import GlobalReasoning


def unit(ndim: int = 2, **options: Any) -> Any:
    torch.manual_seed(0)
    return GlobalReasoning(ndim, 8, **options).double().eval()


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_is_the_papers_formula_on_a_map_of_pixels() -> None:
    block, x = unit(nodes=3, states=5), noise(2, 8, 4, 6)
    matrix = {name: getattr(block, name).weight[..., 0, 0] for name in ("reduce", "assign")}
    pixels = x.flatten(2)  # (B, C, L)
    b = matrix["assign"] @ pixels + block.assign.bias[:, None]  # (B, N, L)
    v = b @ (matrix["reduce"] @ pixels + block.reduce.bias[:, None]).transpose(1, 2) / 24  # (B, N, S)
    moved = (v - block.adjacency.weight @ v - block.adjacency.bias[:, None]) @ block.weights.weight.T
    back = (b.transpose(1, 2) @ moved.relu()).transpose(1, 2).reshape(2, 5, 4, 6)
    torch.testing.assert_close(block(x), x + block.expand(back))


def test_pixels_in_another_order_reason_the_same() -> None:
    block, x = unit(), noise(2, 8, 1, 12)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(block(x[..., order]), block(x)[..., order])


def test_a_map_repeated_reasons_the_same() -> None:
    # nodes are means and not sums
    block, x = unit(3), noise(1, 8, 2, 3, 4)
    torch.testing.assert_close(block(x.repeat(1, 1, 3, 1, 2)), block(x).repeat(1, 1, 3, 1, 2))


@pytest.mark.parametrize("ndim", [2, 3])
def test_has_five_convolutions_and_a_norm(ndim: int) -> None:
    c, n, s = 64, 16, 32
    expected = (c * s + s) + (c * n + n) + (n * n + n) + s * s + s * c + 2 * c
    assert sum(p.numel() for p in GlobalReasoning(ndim, c).parameters()) == expected


def test_starts_as_the_identity_if_asked_to() -> None:
    x = noise(2, 8, 4, 5)
    assert torch.equal(unit(identity_init=True)(x), x)


def test_sums_over_many_pixels_stay_within_half_precision() -> None:
    block = unit(nodes=2, states=2).float()
    x = 30 * torch.ones(1, 8, 256, 256)
    with torch.inference_mode(), torch.autocast("cpu", torch.float16):
        seen = block(x)
    assert seen.isfinite().all()


def test_refuses_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="nodes=0 of states=4 hold nothing"):
        unit(nodes=0)
