from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from unetzoo.blocks import MultiFrequencyMultiScale, multi_frequency_block
from unetzoo.blocks.multi_frequency import FrequencyStatistics
from unetzoo.ops.dct_pool import separable_waves


def image(*size: int) -> Tensor:
    return torch.randn(2, 8, *size, generator=torch.Generator().manual_seed(0))


def waves_of(squeeze: FrequencyStatistics, *size: int) -> Tensor:
    """(K, *size)."""
    return separable_waves(squeeze.frequencies, size, squeeze.period, torch.device("cpu")).whole(size)


def made(ndim: int = 2, **options: Any) -> Any:
    torch.manual_seed(0)
    return MultiFrequencyMultiScale(ndim, 8, min_width=4, **{"frequencies": "low4"} | options)


@pytest.mark.parametrize("size", [(9, 12), (3, 4, 5)], ids=str)
def test_statistics_are_those_of_every_product(size: tuple[int, ...]) -> None:
    squeeze, x = FrequencyStatistics(len(size), frequencies="low8"), image(*size)
    products = (x.unsqueeze(2) * waves_of(squeeze, *size)).flatten(3)  # (B, C, K, pixels)
    expected = [products.mean(3).mean(2), products.amax(3).mean(2), products.amin(3).mean(2)]
    for got, wanted in zip(squeeze(x), expected, strict=True):
        torch.testing.assert_close(got.flatten(1), wanted, rtol=1e-5, atol=1e-6)
        assert got.shape == (2, 8, *[1] * len(size))


def test_waves_are_orthogonal_and_of_one_size_whatever_the_maps() -> None:
    for size in [(8, 9), (21, 16)]:
        waves = waves_of(FrequencyStatistics(2, frequencies="top32"), *size).flatten(1)
        torch.testing.assert_close(waves @ waves.T / waves.shape[1], torch.eye(32), rtol=0, atol=1e-5)


def test_pixel_reference_keeps_the_wavelength() -> None:
    squeeze = FrequencyStatistics(2, freq_ref="pixel")
    small, large = (waves_of(squeeze, *size) for size in [(7, 14), (28, 21)])
    torch.testing.assert_close(large[:, :7, :14], small, rtol=0, atol=1e-5)


def test_half_precision_keeps_its_waves_and_learns() -> None:
    x = image(12, 10).bfloat16().requires_grad_()
    squeeze = FrequencyStatistics(2)
    with torch.autocast("cpu", torch.bfloat16):
        got = torch.cat(squeeze(x))
    torch.testing.assert_close(got.float(), torch.cat(squeeze(x.float())), rtol=2**-8, atol=1e-5)
    got.float().sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert x.grad.isfinite().all()


@pytest.mark.parametrize(("channels", "expected"), [(64, 86_148), (128, 259_140), (256, 1_033_348)])
def test_has_the_authors_size(channels: int, expected: int, count: Callable[[nn.Module], int]) -> None:
    assert count(MultiFrequencyMultiScale(2, channels)) == expected


def test_the_pixels_gate_is_the_identity_at_first() -> None:
    block, x = made(scales=1), image(8, 8)
    scale = block.scales[0]
    attended = scale.attention(scale.narrow(x))
    scale.eval()
    torch.testing.assert_close(scale(x), scale.widen(scale.attention(scale.narrow(x))))
    assert attended.shape == (2, 8, 8, 8)
    nn.init.zeros_(scale.alpha)  # then the background goes
    p = scale.pixels(scale.attention(scale.narrow(x))).sigmoid()
    torch.testing.assert_close(scale(x), scale.widen(scale.attention(scale.narrow(x)) * p))


def test_scales_are_averaged_and_added_to_the_map() -> None:
    block, x = made().eval(), image(8, 12)
    fine, coarse = block.scales
    torch.testing.assert_close(block(x), x + (fine(x) + coarse(x)) / 2)
    assert coarse.narrow[0].dilation == (2, 2)


@pytest.mark.parametrize("size", [(8, 8), (7, 5), (1, 3), (3, 2, 5)], ids=str)
def test_any_size_comes_back(size: tuple[int, ...]) -> None:
    assert made(len(size), scales=3)(image(*size)).shape == (2, 8, *size)


def test_identity_init_learns_from_the_identity() -> None:
    block, x = made(identity_init=True), image(8, 8)
    assert torch.equal(block(x), x)
    block(x).square().sum().backward()
    assert block.factor.grad.abs() > 0
    with pytest.raises(ValueError, match="scales=0 leaves nothing"):
        made(scales=0)


def test_a_decoders_row_changes_the_width() -> None:
    block = multi_frequency_block(2, 6, 8, min_width=4, frequencies="low2")
    assert block(torch.randn(2, 6, 8, 8)).shape == (2, 8, 8, 8)
