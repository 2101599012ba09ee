from typing import Any

import pytest
import torch
from torch import Tensor, nn

from unetzoo.blocks.enhanced_transformer import EnhancedTransformer, enhanced_transformer
from unetzoo.blocks.reduced_attention import ReducedAttention
from unetzoo.levels import Level


def tokens(x: Tensor) -> Tensor:
    return x.flatten(2).transpose(1, 2)


@pytest.mark.parametrize("reduction", [(1, 1), (2, 1), (2, 2, 2)])
def test_attention_is_torchs_own_with_keys_from_the_reduced_map(reduction: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    ours: Any = ReducedAttention(8, reduction=reduction, heads=2).double()
    theirs = nn.MultiheadAttention(8, 2, batch_first=True).double()
    with torch.no_grad():
        for parameter in ours.parameters():
            nn.init.normal_(parameter, std=0.5)
        theirs.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key_value.weight]).flatten(1))
        theirs.in_proj_bias.copy_(torch.cat([ours.query.bias, ours.key_value.bias]))
        theirs.out_proj.weight.copy_(ours.out.weight.flatten(1))
        theirs.out_proj.bias.copy_(ours.out.bias)
    x = torch.randn(2, 8, *[4, 6, 2][: len(reduction)], dtype=torch.float64)
    reduced = tokens(ours.reduce(x))
    expected, _ = theirs(tokens(x), reduced, reduced)
    torch.testing.assert_close(tokens(ours(x)), expected)


def test_rows_attend_to_a_map_of_the_bottlenecks_size_with_heads_of_64_channels() -> None:
    bottleneck = Level(512, (32, 32))
    made = []
    with torch.device("meta"):
        for c, s in [(64, 4), (128, 8), (320, 16), (512, 32)]:
            attention: Any = enhanced_transformer(Level(c, (s, s)), bottleneck).attention[1]
            kernels = [part.kernel_size[0] for part in attention.reduce if hasattr(part, "kernel_size")]
            made.append((attention.heads, kernels))
    assert made == [(1, [8]), (2, [4]), (5, [2]), (8, [])]


def test_widths_that_64_does_not_divide_have_fewer_heads() -> None:
    row = Level(224, (1, 1))
    with torch.device("meta"):
        attention: Any = enhanced_transformer(row, row).attention[1]
    assert attention.heads == 2


def test_the_block_is_two_residual_steps() -> None:
    torch.manual_seed(0)
    block = EnhancedTransformer(8, reduction=(2, 2)).double()
    x = torch.randn(2, 8, 4, 6, dtype=torch.float64)
    y = x + block.attention[1](block.attention[0](x))
    torch.testing.assert_close(block(x), y + block.mlp[1](block.mlp[0](y)))


def test_channels_that_cannot_be_split_are_refused() -> None:
    with pytest.raises(ValueError, match="10 channels cannot be split into 4 heads"):
        ReducedAttention(10, reduction=(1, 1), heads=4)
