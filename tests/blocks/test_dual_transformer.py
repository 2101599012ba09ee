from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from unetzoo.blocks.dual_transformer import DualTransformer
from unetzoo.blocks.efficient_attention import EfficientAttention, efficient_attention
from unetzoo.blocks.mix_ffn import MixFFN
from unetzoo.blocks.transposed_attention import TransposedAttention

SIZES = [(5, 6), (3, 4, 2)]
both = pytest.mark.parametrize("size", SIZES, ids=["2d", "3d"])


def maps(channels: int, size: tuple[int, ...], count: int = 3) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, channels, *size, generator=generator, dtype=torch.float64) for _ in range(count)]


def made(kind: type[torch.nn.Module], *args: int, **options: Any) -> Any:
    torch.manual_seed(0)
    module = kind(*args, **options).double()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return module


@both
@pytest.mark.parametrize("heads", [1, 4])
def test_efficient_attention_of_constant_values_is_constant(size: tuple[int, ...], heads: int) -> None:
    # weights of a key channel sum to 1 over positions, those of a query to 1 over channels
    q, k, _ = maps(8, size)
    value = torch.arange(8.0, dtype=torch.float64).reshape(1, 8, *[1] * len(size)).expand_as(q)
    torch.testing.assert_close(efficient_attention(q, k, value, heads=heads), value)


@both
def test_efficient_attention_is_the_attention_by_a_matrix_of_all_pairs(size: tuple[int, ...]) -> None:
    q, k, v = maps(8, size)
    tokens = [
        torch.unflatten(t.flatten(2), 1, (2, 4)).transpose(-2, -1) for t in (q, k, v)
    ]  # (B, heads, N, C)
    pairs = tokens[0].softmax(-1) @ tokens[1].softmax(-2).transpose(-2, -1)
    torch.testing.assert_close(pairs.sum(-1), torch.ones_like(pairs[..., 0]))
    expected = (pairs @ tokens[2]).transpose(-2, -1).reshape_as(v)
    torch.testing.assert_close(efficient_attention(q, k, v, heads=2), expected)


@pytest.mark.parametrize("kind", [EfficientAttention, TransposedAttention, DualTransformer])
def test_cost_grows_with_the_number_of_positions(kind: type[torch.nn.Module]) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    def flops(height: int) -> int:
        with torch.device("meta"), FlopCounterMode(display=False) as counter:
            kind(2, 8)(torch.empty(1, 8, height, 16))
        return int(counter.get_total_flops())

    assert flops(64) == 2 * flops(32)


@both
def test_channel_attention_commutes_with_any_permutation_of_positions(size: tuple[int, ...]) -> None:
    attention = made(TransposedAttention, len(size), 8, heads=2)
    x = maps(8, size)[0]
    order = torch.randperm(x[0, 0].numel(), generator=torch.Generator().manual_seed(3))

    def shuffled(t: Tensor) -> Tensor:
        return t.flatten(2)[..., order].reshape_as(t)

    torch.testing.assert_close(attention(shuffled(x)), shuffled(attention(x)))


def test_a_temperature_of_zero_mixes_the_channels_of_a_head_evenly() -> None:
    attention = made(TransposedAttention, 2, 8, heads=2)
    torch.nn.init.zeros_(attention.temperature)
    x = maps(8, (5, 6))[0]
    value = attention.qkv(x)[:, 16:].unflatten(1, (2, 4))
    even = value.mean(2, keepdim=True).expand_as(value).flatten(1, 2)
    torch.testing.assert_close(attention(x), attention.out(even))


def test_channel_attention_does_not_see_how_large_maps_are() -> None:
    attention = made(TransposedAttention, 2, 8, heads=2)
    torch.nn.init.zeros_(attention.out.bias)
    x = maps(8, (5, 6))[0]
    torch.testing.assert_close(attention(3 * x), 3 * attention(x))


def test_temperatures_do_not_decay() -> None:
    assert made(TransposedAttention, 2, 8).temperature.no_weight_decay


@both
def test_the_mlp_is_its_formula(size: tuple[int, ...]) -> None:
    mlp = made(MixFFN, len(size), 4)
    x = maps(4, size)[0]
    y = mlp.up(x)
    mixed = (mlp.depthwise(y) + y).movedim(1, -1)
    normed = F.layer_norm(mixed, (16,), mlp.norm.weight, mlp.norm.bias).movedim(-1, 1)
    torch.testing.assert_close(mlp(x), mlp.down(F.gelu(normed)))


def test_the_block_is_four_residual_steps() -> None:
    block = made(DualTransformer, 2, 8)
    kinds = [type(step[1]).__name__ for step in block.steps]
    assert kinds == ["EfficientAttention", "MixFFN", "TransposedAttention", "MixFFN"]
    torch.nn.init.zeros_(block.steps[2][1].out.weight)
    torch.nn.init.zeros_(block.steps[2][1].out.bias)
    x = maps(8, (5, 6))[0]
    y = x
    for i in (0, 1, 3):  # the third adds nothing
        y = y + block.steps[i](y)
    torch.testing.assert_close(block(x), y)


@pytest.mark.parametrize(("channels", "expected"), [(128, 412_552), (320, 2_505_928), (512, 6_368_776)])
def test_the_block_has_the_papers_size_without_norms_that_are_never_used(
    channels: int, expected: int
) -> None:
    with torch.device("meta"):
        count = sum(p.numel() for p in DualTransformer(2, channels).parameters())
    # each MLP of the authors' holds two more layer norms of 4 C weights and biases
    assert count == expected - 2 * 2 * 2 * 4 * channels


@pytest.mark.parametrize("kind", [EfficientAttention, TransposedAttention], ids=["positions", "channels"])
def test_channels_that_cannot_be_split_are_refused(kind: Any) -> None:
    with pytest.raises(ValueError, match="10 channels cannot be split into 4 heads"):
        kind(2, 10, heads=4)
