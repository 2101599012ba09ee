from typing import Any

import pytest
import torch
from torch import Tensor

from unetzoo.levels import Gate, Level
from unetzoo.skips import EfficientCrossSkip

ROWS = [Level(8, (1, 1)), Level(6, (2, 2))]
GATES = [Gate(3, (1, 1), ROWS[1])]


def cross() -> Any:
    torch.manual_seed(0)
    merge = EfficientCrossSkip(ROWS, GATES).merges[0].double()
    for parameter in merge.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return merge


def pair() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return tuple(torch.randn(2, c, 5, 6, generator=generator, dtype=torch.float64) for c in (8, 3))  # type: ignore[return-value]


def test_a_row_is_the_formula_pixel_by_pixel() -> None:
    merge = cross()
    skip, gate = pair()
    x1 = merge.enter(gate)
    n1, n2 = (merge.norm(x).flatten(2).transpose(1, 2) for x in (x1, skip))  # (B, N, C)
    found = n2.softmax(2) @ (n2.softmax(1).transpose(1, 2) @ n1)
    t = torch.cat([x1, skip], 1) + merge.widen(found.transpose(1, 2).reshape_as(skip))
    mlp_norm, mlp = merge.mlp
    torch.testing.assert_close(merge(skip, gate, gate), merge.leave(t + mlp(mlp_norm(t))))


def test_the_row_keeps_the_skips_width() -> None:
    skip, gate = pair()
    assert EfficientCrossSkip(ROWS, GATES).merged == [8]
    assert cross()(skip, gate, gate).shape == skip.shape


@pytest.mark.parametrize(("channels", "expected"), [(128, 305_408), (320, 1_869_440), (512, 4_760_576)])
def test_the_cross_block_has_the_papers_size_without_norms_that_are_never_used(
    channels: int, expected: int
) -> None:
    rows = [Level(channels, (1, 1)), Level(8, (2, 2))]
    with torch.device("meta"):
        merge: Any = EfficientCrossSkip(rows, [Gate(4, (1, 1), rows[1])]).merges[0]
    count = sum(p.numel() for part in (merge.norm, merge.widen, merge.mlp) for p in part.parameters())
    # the MLP of the authors' holds two more layer norms of 4 C weights and biases
    assert count == expected - 2 * 2 * 4 * channels
