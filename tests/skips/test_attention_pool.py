from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from unetzoo import create_model
from unetzoo.blocks import HybridDilatedConv
from unetzoo.levels import Gate, Level
from unetzoo.skips import AttentionGate, AttentionPool, ConcatSkip, PooledSkip

ROWS = [Level(4, (1, 1)), Level(8, (2, 2)), Level(8, (4, 4))]
GATES = [Gate(8, (1, 1), ROWS[1]), Gate(8, (2, 2), ROWS[2])]


@pytest.mark.parametrize("which", range(4))
def test_each_dilation_hands_its_groups_on_by_its_number(which: int) -> None:
    block: Any = HybridDilatedConv(2, 8).double()
    for layer in block.convs:
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    # the identity, within each group of two channels
    block.convs[which].weight.data[:, :, 1, 1] = torch.eye(2).repeat(4, 1)
    x = torch.randn(1, 8, 5, 6, dtype=torch.float64)
    groups = x.chunk(4, 1)
    assert torch.equal(block(x), torch.cat([groups[(k + which) % 4] for k in range(4)], 1))


def test_shares_of_the_rows_sum_to_one_in_every_pixel() -> None:
    pool = AttentionPool(ROWS)
    shares = pool.shares([torch.randn(2, 4, 5, 6) for _ in ROWS])
    assert shares.shape == (3, 2, 1, 5, 6)
    torch.testing.assert_close(shares.sum(0), torch.ones(2, 1, 5, 6))


def test_pooling_equals_the_formula() -> None:
    torch.manual_seed(0)
    pool = AttentionPool(ROWS).double().eval()
    rows = [torch.randn(1, c, 8 // s[0], 12 // s[1], dtype=torch.float64) for c, s in ROWS]
    x = [project(row) for project, row in zip(pool.projections, rows, strict=True)]
    assert {tuple(row.shape) for row in x} == {(1, 4, 8, 12)}
    scores = torch.cat([pool.score(row) for row in x], 1).softmax(1)
    pooled = sum(scores[:, i : i + 1] * row for i, row in enumerate(x))
    terms = [pool.weigh(row.sigmoid() * pooled * torch.sigmoid(pooled) * row).sigmoid() * row for row in x]
    torch.testing.assert_close(pool(rows), sum(terms) / 3)


def test_the_finest_skip_is_joined_by_the_pooled_map_and_the_bottleneck_is_gated() -> None:
    torch.manual_seed(0)
    skip: Any = PooledSkip(ROWS, GATES, skip=ConcatSkip).eval()
    f = [torch.randn(1, c, 8 // s[0], 8 // s[1]) for c, s in ROWS]
    first, second, bottleneck = skip(f)
    assert torch.equal(first[:, :4], f[0])
    assert second is f[1]
    assert torch.equal(bottleneck, skip.gates[-1](f[-1]))
    # the authors' code made its upsampling anew in every pass
    assert torch.equal(first, skip(f)[0])


def test_a_pathway_that_merges_is_refused_within() -> None:
    with pytest.raises(ValueError, match="AttentionGate merges with the decoder"):
        PooledSkip(ROWS, GATES, skip=partial(AttentionGate))


def test_skip_and_decoder_have_the_authors_size_less_what_they_do_not_use(
    count: Callable[[nn.Module], int],
) -> None:
    with torch.device("meta"):
        model: Any = create_model("macmd", num_classes=9)
    skip, decoder = model.skip, model.decoder
    assert [count(gate) for gate in skip.gates] == [37_315, 148_355, 923_843, 2_362_883]
    assert count(decoder.context) == 4_757_602
    assert count(skip.skip) == 252_096
    assert count(decoder.fuse) == 43_362
    # the authors' 471,168, 547,456, 104,320 and 31,680 hold a layer norm each that is not used
    blocks = [count(block) for block in (*reversed(decoder.blocks), decoder.last)]
    unused = [2 * width for width in (512, 640, 256, 128)]
    assert blocks == [n - m for n, m in zip((471_168, 547_456, 104_320, 31_680), unused, strict=True)]
    # their pooling makes three upsampling blocks in every pass, which ours trains
    ups = 3 * (64 * 9 + 2 * 64 + 64 * 64 + 64)
    assert count(skip.pool) == 70_801 + ups
    assert count(skip) + count(decoder) == 9_750_881 - sum(unused) + ups == 9_762_401
    assert len(model.heads) == 3
