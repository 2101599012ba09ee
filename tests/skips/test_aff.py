from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo.blocks import DCT, MultiScaleChannelAttention
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


@pytest.mark.parametrize(
    ("channels", "expected"),
    [(64, 2_291), (96, 4_971), (128, 8_677), (192, 19_157), (256, 33_733), (384, 75_173)],
)
def test_mfms_has_half_the_size(channels: int, expected: int, count: Callable[[nn.Module], int]) -> None:
    rows = [Level(channels, (1, 1)), Level(channels, (2, 2))]
    skip = AttentionalFusion(rows, [Gate(channels, (1, 1), rows[1])], squeeze="dct", excite="conv1d")
    assert count(skip) == expected


@pytest.mark.parametrize("gain", [1, 2])
@pytest.mark.parametrize("excite", ["conv1d", "fc"])
def test_mfms_keeps_what_aff_does(excite: str, gain: float) -> None:
    x, y = pair()
    merge = fusion(squeeze="dct", excite=excite, gain=gain)
    torch.testing.assert_close(merge(x, x, x), gain * x)
    torch.testing.assert_close(merge(x, y, y) + merge(y, x, x), gain * (x + y))
    undecided = fusion(squeeze="dct", excite=excite, identity_init=True)
    assert torch.equal(undecided(x, y, y), x + y)


def test_mfms_global_branch_is_a_convolution_over_frequencies() -> None:
    x, _ = pair()
    attention = fusion(squeeze="dct", excite="conv1d").attentions[0]
    frequencies = DCT(2, 8)(x)[0].reshape(-1, 1, 8)
    kernel = attention.map[0].weight
    expected = attention.pixels(x) + F.conv1d(frequencies, kernel, padding=1).reshape(-1, 8, 1, 1)
    torch.testing.assert_close(attention(x), expected.sigmoid())


def test_of_several_summaries_the_logits_are_added() -> None:
    x, _ = pair()
    attention = fusion(squeeze="mean_max").attentions[0]
    mean, largest = x.mean((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
    expected = attention.pixels(x) + attention.map(mean) + attention.map(largest)
    torch.testing.assert_close(attention(x), expected.sigmoid())


@both
@pytest.mark.parametrize("excite", ["bottleneck", "conv1d"])
def test_a_batch_of_one_image_trains(rounds: int, excite: str) -> None:
    x, y = pair()
    merge = fusion(rounds=rounds, excite=excite).train()
    merge(x[:1], y[:1], y[:1]).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in merge.parameters())


def test_a_skip_of_another_width_is_projected_to_the_decoders() -> None:
    merge: Any = AttentionalFusion([Level(4, (1, 1)), ROWS[1]], GATES).merges[0]
    assert merge(torch.randn(2, 4, 5, 6), torch.randn(2, 8, 5, 6), torch.empty(0)).shape == (2, 8, 5, 6)


def test_refuses_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="rounds=0 fuses nothing"):
        fusion(rounds=0)
    with pytest.raises(ValueError, match="excite 'conv' is unknown"):
        fusion(excite="conv")
    with pytest.raises(ValueError, match="needs gain=2, not 1"):
        fusion(gain=1, identity_init=True)
