from typing import Any

import pytest
import torch
from torch import Tensor

from unetzoo.blocks import MultiScaleChannelAttention
from unetzoo.levels import Gate, Level
from unetzoo.skips import AttentionalFusion

ROWS = [Level(8, (1, 1)), Level(8, (2, 2))]
GATES = [Gate(8, (1, 1), ROWS[1])]
both = pytest.mark.parametrize("rounds", [1, 2])


def fusion(**options: Any) -> Any:
    torch.manual_seed(0)
    merge = AttentionalFusion(ROWS, GATES, **options).merges[0].double().eval()
    for parameter in merge.parameters():
        if not options.get("identity_init"):
            torch.nn.init.normal_(parameter)
    return merge


def pair() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x, y = torch.randn(2, 3, 8, 5, 6, generator=generator, dtype=torch.float64)
    return x, y


@both
@pytest.mark.parametrize("gain", [1, 2])
def test_a_map_fused_with_itself_stays_but_for_the_gain(rounds: int, gain: float) -> None:
    x, _ = pair()
    torch.testing.assert_close(fusion(rounds=rounds, gain=gain)(x, x, x), gain * x)


@both
def test_undecided_weights_add(rounds: int) -> None:
    x, y = pair()
    assert torch.equal(fusion(rounds=rounds, identity_init=True)(x, y, y), x + y)


def test_what_one_side_loses_the_other_gains() -> None:
    # the weights look at the sum alone, which has no sides
    x, y = pair()
    merge = fusion()
    torch.testing.assert_close(merge(x, y, y) + merge(y, x, x), 2 * (x + y))


def test_the_second_round_looks_at_the_first_fusion() -> None:
    x, y = pair()
    merge = fusion(rounds=2, gain=1)
    first, second = merge.attentions
    w = first(x + y)
    w = second(w * x + (1 - w) * y)
    torch.testing.assert_close(merge(x, y, y), w * x + (1 - w) * y)
    assert {id(p) for p in first.parameters()}.isdisjoint(id(p) for p in second.parameters())


@pytest.mark.parametrize(("channels", "expected"), [(64, 4_576), (96, 9_936), (128, 17_344), (256, 67_456)])
def test_the_attention_has_the_papers_size(channels: int, expected: int) -> None:
    assert sum(p.numel() for p in MultiScaleChannelAttention(2, channels).parameters()) == expected


@both
def test_a_batch_of_one_image_trains(rounds: int) -> None:
    x, y = pair()
    merge = fusion(rounds=rounds).train()
    merge(x[:1], y[:1], y[:1]).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in merge.parameters())


def test_a_skip_of_another_width_is_projected_to_the_decoders() -> None:
    merge: Any = AttentionalFusion([Level(4, (1, 1)), ROWS[1]], GATES).merges[0]
    assert merge(torch.randn(2, 4, 5, 6), torch.randn(2, 8, 5, 6), torch.empty(0)).shape == (2, 8, 5, 6)


def test_refuses_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="rounds=0 fuses nothing"):
        fusion(rounds=0)
    with pytest.raises(ValueError, match="needs gain=2, not 1"):
        fusion(gain=1, identity_init=True)
