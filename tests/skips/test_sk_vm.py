from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo.blocks import ParallelMamba
from unetzoo.levels import Gate, Level
from unetzoo.skips import MambaTriangle

ROWS = [Level(8, (1, 1)), Level(6, (2, 2)), Level(8, (4, 4)), Level(12, (8, 8))]
GATES = [Gate(8, row.stride, ROWS[i + 1]) for i, row in enumerate(ROWS[:-1])]


def triangle() -> MambaTriangle:
    torch.manual_seed(0)
    return MambaTriangle(ROWS, GATES, channels=8, state=2).eval()


def features() -> list[Tensor]:
    return [torch.randn(2, row.channels, 16 // row.stride[0], 8 // row.stride[0]) for row in ROWS]


def up(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear")


def test_nodes_take_the_absolute_sum_of_two_neighbours_and_rows_sum_up_their_nodes() -> None:
    skip, f = triangle(), features()
    m: Any = {(i, 0): skip.projections[i](x) for i, x in enumerate(f)}
    for k in (1, 2, 3):
        for i in range(4 - k):
            node: Any = skip.nodes[i]
            m[i, k] = node[k - 1]((up(m[i + 1, k - 1]) + m[i, k - 1]).abs())
    with torch.no_grad():
        out = skip(f)
    for i in range(3):
        expected = skip.out[i](torch.stack([m[i, k] for k in range(1, 4 - i)]).sum(0))
        torch.testing.assert_close(out[i], expected)
    assert out[3] is f[3]


def test_there_is_a_scan_for_every_pair_and_one_for_every_row() -> None:
    skip = triangle()
    assert sum(isinstance(part, ParallelMamba) for part in skip.modules()) == 3 + 2 + 1 + 3
    # a row of the common width is taken as it is
    assert [isinstance(p, nn.Identity) for p in skip.projections] == [True, False, True, False]


def test_a_row_hears_of_coarser_rows_alone() -> None:
    skip, f = triangle(), [x.requires_grad_() for x in features()]
    for row, out in enumerate(skip(f)[:3]):
        reached = torch.autograd.grad(out.sum(), f, allow_unused=True, retain_graph=True)
        assert [grad is not None for grad in reached] == [k >= row for k in range(4)]
