from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from unetzoo.levels import Gate, Level
from unetzoo.skips import InterScaleSkip

ROWS = [Level(4, (1, 1)), Level(6, (2, 2)), Level(8, (4, 4))]
GATES = [Gate(3, (1, 1), ROWS[1]), Gate(5, (2, 2), ROWS[2])]


def features() -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, c, 16 // s[0], 24 // s[1], generator=generator).double() for c, s in ROWS]


def made(**options: Any) -> Any:
    torch.manual_seed(0)
    return InterScaleSkip(ROWS, GATES, kernel=9, **options).double()


@pytest.mark.parametrize("neighbors", [0, 1])
def test_a_last_convolution_of_zeros_leaves_the_encoders_feature(neighbors: int) -> None:
    skip = made(neighbors=neighbors, identity_init=True)
    rows = features()
    skips, gate = skip(rows), torch.randn(2, 3, 16, 24).double()
    assert torch.equal(skip.merge(0, skips[0], gate, gate), torch.cat([rows[0], gate], 1))


def test_what_is_added_comes_from_skip_neighbour_and_decoder() -> None:
    skip = made()
    rows, gate = features(), torch.randn(2, 3, 16, 24).double()
    merge = skip.merges[0]
    coarser = F.interpolate(rows[1], scale_factor=2.0, mode="bilinear")
    u = merge.join(torch.cat([rows[0], coarser, gate], 1))
    lka = merge.attention
    expected = rows[0] + u * lka.mix(lka.wide(lka.near(u)))
    torch.testing.assert_close(merge(skip(rows)[0], gate, gate), torch.cat([expected, gate], 1))


def test_the_bottleneck_is_handed_on() -> None:
    rows = features()
    assert made()(rows)[-1] is rows[-1]


def test_without_neighbours_features_are_handed_on() -> None:
    rows = features()
    assert made(neighbors=0)(rows) is rows


def test_a_row_has_the_size_of_the_formula() -> None:
    # 2 C C for the join, C (25 + 49) depthwise, C C to mix
    rows = [Level(128, (1, 1)), Level(256, (2, 2))]
    skip = InterScaleSkip(rows, [Gate(128, (1, 1), rows[1])], neighbors=0)
    weights = sum(p.numel() for p in skip.parameters() if p.dim() > 1)
    assert weights == 58_624


def test_other_numbers_of_neighbours_are_refused() -> None:
    with pytest.raises(ValueError, match="not neighbors=2"):
        made(neighbors=2)
