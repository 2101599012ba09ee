from typing import Any

import pytest
import torch
from torch import Tensor

from unetzoo.levels import Gate, Level
from unetzoo.skips import LaurelSkip

ROWS = [Level(12, (1, 1)), Level(10, (2, 2)), Level(8, (4, 4)), Level(8, (8, 8))]
GATES = [Gate(8, ROWS[i].stride, ROWS[i + 1]) for i in range(3)]


def features() -> list[Tensor]:
    torch.manual_seed(1)
    return [torch.randn(1, c, 16 // s[0], 16 // s[1], dtype=torch.float64) for c, s in ROWS]


def made(**options: Any) -> LaurelSkip:
    return LaurelSkip(ROWS, GATES, **options).double()


def trained(**options: Any) -> LaurelSkip:
    torch.manual_seed(0)
    skip = made(**options)
    for parameter in skip.parameters():
        torch.nn.init.normal_(parameter)
    return skip


@pytest.mark.parametrize(
    "options", [{}, {"rank": 0, "previous": False}, {"weight": False, "previous": False}, {"weight": False}]
)
def test_is_the_plain_skip_at_first_and_learns_from_there(options: dict[str, Any]) -> None:
    skip, x = made(**options), features()
    out = skip(x)
    assert all(torch.equal(a, b) for a, b in zip(out, x, strict=True))
    torch.stack([t.square().sum() for t in out]).sum().backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None for p in skip.parameters())
    assert any(p.grad.abs().max() > 0 for p in skip.parameters() if p.grad is not None)


def test_the_update_has_the_rank_it_says() -> None:
    skip, x = trained(rank=3, previous=False), features()
    for i, out in enumerate(skip(x)[:-1]):
        update = (out - skip.beta[i] * x[i]).flatten(2)[0]
        assert torch.linalg.matrix_rank(update).item() == 3


def test_earlier_rows_are_the_finer_ones_at_the_rows_resolution() -> None:
    skip, x = trained(rank=4), features()
    without = trained(rank=4)
    with torch.no_grad():
        for gamma in without.gamma.values():
            gamma.zero_()
    maps: Any = skip.maps["2_0"]
    down, _, up = maps
    pooled = torch.nn.functional.avg_pool2d(x[0], 4)
    by_hand = skip.gamma["2_0"] * up(down(pooled)) + skip.gamma["2_1"] * skip.maps["2_1"](x[1])
    torch.testing.assert_close(skip(x)[2] - without(x)[2], by_hand)  # pooling and 1x1 convolutions commute
    assert torch.equal(skip(x)[0], without(x)[0])  # nothing is finer than the finest
    assert sorted(skip.maps) == ["1_0", "2_0", "2_1"]


def test_scalar_weights_cost_one_parameter_per_row() -> None:
    skip = made(rank=0, previous=False)
    assert [p.numel() for p in skip.parameters()] == [1, 1, 1]


def test_refuses_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="leave the plain skip"):
        made(weight=False, rank=0, previous=False)
    with pytest.raises(ValueError, match="previous=true needs a rank of 1 or more"):
        made(rank=0)
