from typing import Any

import pytest
import torch
from torch import Tensor, nn

from unetzoo.blocks import ChannelAffinity, DualAttention, PositionAttention
from unetzoo.levels import Gate, Level
from unetzoo.skips import DualAttentionSkip

both = pytest.mark.parametrize("size", [(5, 6), (3, 4, 2)], ids=["2d", "3d"])


def image(channels: int, size: tuple[int, ...]) -> Tensor:
    return torch.randn(2, channels, *size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def disturbed(module: nn.Module) -> Any:
    torch.manual_seed(0)
    for parameter in module.double().parameters():
        nn.init.normal_(parameter, std=0.5)
    return module


@both
def test_position_attention_is_its_formula(size: tuple[int, ...]) -> None:
    attention = disturbed(PositionAttention(len(size), 16))
    x = image(16, size)
    q, k, v = (t.flatten(2) for t in (attention.query(x), attention.key(x), attention.value(x)))
    weights = (q.transpose(1, 2) @ k).softmax(2)  # (B, N, N)
    expected = x + attention.gamma * (v @ weights.transpose(1, 2)).reshape_as(x)
    torch.testing.assert_close(attention(x), expected)


@both
def test_channel_affinity_prefers_what_is_unlike(size: tuple[int, ...]) -> None:
    attention = disturbed(ChannelAffinity())
    x = image(4, size)
    maps = x.flatten(2)
    energy = maps @ maps.transpose(1, 2)
    # the largest affinity cancels in the softmax
    expected = x + attention.gamma * ((-energy).softmax(2) @ maps).reshape_as(x)
    torch.testing.assert_close(attention(x), expected)


def test_affinities_of_many_pixels_are_finite_in_half_precision() -> None:
    # the sum of 4,096 squares of 16 is beyond float16
    x = torch.full((1, 2, 64, 64), 16.0, dtype=torch.float16)
    attention = ChannelAffinity()
    nn.init.ones_(attention.gamma)
    with torch.autocast("cpu", torch.float16):
        assert torch.equal(attention(x), 2 * x)


@pytest.mark.parametrize("kind", [PositionAttention, ChannelAffinity])
def test_attention_starts_as_the_identity(kind: Any) -> None:
    attention = kind(2, 8) if kind is PositionAttention else kind()
    x = torch.randn(2, 8, 5, 6)
    assert torch.equal(attention(x), x)


@pytest.mark.parametrize(("channels", "expected"), [(256, 91_862), (512, 365_610), (768, 821_246)])
def test_the_block_has_the_papers_size_without_outputs_that_are_never_used(
    channels: int, expected: int
) -> None:
    with torch.device("meta"):
        count = sum(p.numel() for p in DualAttention(2, channels).parameters())
    # DANet has three outputs, and the authors take the one of the sum
    inner = channels // 16
    assert count == expected - 2 * (inner * channels + channels)


def test_narrow_maps_have_a_query_all_the_same() -> None:
    with torch.device("meta"):
        count = sum(p.numel() for p in DualAttention(2, 64).parameters())
    # the authors' 5,910 count two outputs that are never used, and queries and keys of no channels
    assert count == 5_910 - 2 * (4 * 64 + 64) + 2 * (4 + 1)


def test_rows_too_large_are_refused_by_name() -> None:
    rows = [Level(4, (1, 1)), Level(4, (2, 2)), Level(4, (4, 4))]
    gates = [Gate(4, (1, 1), rows[1]), Gate(4, (2, 2), rows[2])]
    skip = DualAttentionSkip(rows, gates, max_tokens=100)
    with pytest.raises(ValueError, match=r"120 pixels of skip 0 at stride \(1, 1\), \(12, 10\), more than"):
        skip([torch.zeros(1, 4, 12 // s, 10 // s) for s in (1, 2, 4)])


def test_the_bottleneck_is_left_alone() -> None:
    rows = [Level(4, (1, 1)), Level(4, (2, 2))]
    features = [torch.randn(1, 4, 4, 4), torch.randn(1, 4, 2, 2)]
    assert DualAttentionSkip(rows, [Gate(4, (1, 1), rows[1])])(features)[1] is features[1]
