from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn

from unetzoo.levels import Gate, Level
from unetzoo.skips import MultiLevelSE

ROWS = [Level(4, (1, 1)), Level(8, (2, 2)), Level(12, (4, 4))]
GATES = [Gate(4, (1, 1), ROWS[1]), Gate(8, (2, 2), ROWS[2])]


def pathway() -> Any:
    torch.manual_seed(0)
    return MultiLevelSE(ROWS, GATES)


def features() -> list[torch.Tensor]:
    torch.manual_seed(1)
    return [torch.randn(2, c, 16 // s, 24 // s) for c, (s, _) in ROWS]


def test_every_row_holds_all_rows_and_its_own_as_it_is() -> None:
    rows, skip = features(), pathway()
    out = skip(rows)
    assert [tuple(r.shape) for r in out] == [(2, 8, 16, 24), (2, 16, 8, 12), (2, 12, 4, 6)]
    assert torch.equal(out[0][:, :4], rows[0])
    assert torch.equal(out[1][:, 8:], rows[1])
    torch.testing.assert_close(out[1][:, :8], skip.adapters["0_1"](rows[0]))


def test_excitation_of_zero_logits_scales_by_one_and_a_half() -> None:
    weigh = pathway().merges[0].weigh[0]
    nn.init.zeros_(weigh.excite.weight)
    x = torch.randn(2, 12, 4, 4)
    torch.testing.assert_close(weigh(x), 1.5 * x)


def test_selecting_own_row_and_decoder_equals_a_convolved_concatenation() -> None:
    skip = pathway()
    excited, mix, act = skip.merges[0].weigh
    nn.init.zeros_(excited.excite.weight)
    with torch.no_grad():
        mix.weight[:, 4:8] = 0  # what comes from row 1
    rows, gate = features(), torch.randn(2, 4, 16, 24)
    merged = skip.merge(0, skip(rows)[0], gate, torch.zeros(2, 8, 8, 12))
    weight = mix.weight[:, [0, 1, 2, 3, 8, 9, 10, 11]]
    plain = act(nn.functional.conv2d(1.5 * torch.cat([rows[0], gate], 1), weight, mix.bias))
    torch.testing.assert_close(merged, plain)


@pytest.mark.parametrize("source", [0, 1])
def test_every_row_reaches_every_merge_and_the_bottleneck(source: int) -> None:
    skip, rows = pathway(), features()
    for target in range(3):
        row = rows[source].clone().requires_grad_()
        out = skip([row if i == source else f for i, f in enumerate(rows)])[target]
        (gradient,) = torch.autograd.grad(out.square().sum(), row)
        assert gradient.abs().max() > 0


def test_authors_skips_have_their_size_at_16_to_128_channels() -> None:
    rows = [Level(16 * 2**i, (2**i,) * 2) for i in range(4)]
    skip = MultiLevelSE(rows, [Gate(f.channels, f.stride, c) for f, c in pairwise(rows)])
    adapters = sum(p.numel() for p in skip.adapters.parameters())
    # Down of C channels: 8 C^2 + 2 C + 1; Up: 2 C^2 + 2 C + 1
    assert adapters == 12_547 + 10_402 + 18_595 + 117_286
    # squeeze-and-excitation of 4 C channels and its 1x1 convolution: 12 C^2 + C + 1
    assert sum(p.numel() for p in skip.parameters()) - adapters == 261_364
