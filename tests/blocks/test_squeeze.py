"""The shared squeeze: FcaNet's cosine transform, its pooling matrices, and who uses it."""

from collections.abc import Callable
from math import cos, pi, sqrt
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo.blocks import CBAM, DCT, EfficientChannelAttention, SelectiveKernel, SqueezeExcite
from unetzoo.blocks.squeeze import frequency_list, make_squeeze, pooling_matrix

SIZES = [(7, 7), (9, 16), (3, 28), (6, 5, 8)]
CPU = torch.device("cpu")


def image(*size: int, channels: int = 8) -> Tensor:
    return torch.randn(2, channels, *size, generator=torch.Generator().manual_seed(0))


def frequencies(x: Tensor, **options: Any) -> Tensor:
    z: Tensor
    (z,) = DCT(x.dim() - 2, x.shape[1], **options)(x)
    assert z.shape == (*x.shape[:2], *[1] * (x.dim() - 2))
    return z.flatten(1)


def by_definition(x: Tensor, u: int, v: int) -> Tensor:
    """Sum over a map of its size's own basis, (B, C)."""

    def wave(k: int, n: int) -> Tensor:
        return torch.tensor([sqrt(2 if k else 1) / sqrt(n) * cos(pi * k * (p + 0.5) / n) for p in range(n)])

    return torch.einsum("bcij,i,j->bc", x, wave(u, x.shape[2]), wave(v, x.shape[3]))


def test_pooling_matrix_is_adaptive_average_pooling_at_every_length() -> None:
    for length in range(1, 65):
        x = torch.randn(1, 3, length)
        pooled = x @ pooling_matrix(7, length, CPU).T
        torch.testing.assert_close(pooled, F.adaptive_avg_pool1d(x, 7), rtol=0, atol=1e-6)


def test_basis_is_orthonormal() -> None:
    for options in ({}, {"freq_ref": "pixel", "size": 7}, {"freq_ref": "pixel"}):
        d = DCT(2, 4, **options).basis(7, CPU)
        torch.testing.assert_close(d @ d.T, torch.eye(7), rtol=0, atol=1e-6)


def test_basis_is_scipys_transform() -> None:
    fft = pytest.importorskip("scipy.fft")
    x = image(7, 7)
    expected = torch.from_numpy(fft.dctn(x.numpy(), axes=(2, 3), norm="ortho"))
    for u, v in [(0, 0), (3, 1), (6, 5)]:
        torch.testing.assert_close(frequencies(x, frequencies=[(u, v)]), expected[:, :, u, v])


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_frequencies_are_those_of_the_map_pooled_to_seven(size: tuple[int, ...]) -> None:
    x = image(*size)
    pool = F.adaptive_avg_pool2d if len(size) == 2 else F.adaptive_avg_pool3d
    expected = frequencies(pool(x, 7), freq_ref="pixel")
    torch.testing.assert_close(frequencies(x), expected, rtol=1e-5, atol=1e-5)


def test_each_group_of_channels_has_the_lists_next_frequency() -> None:
    x = image(7, 7, channels=7)
    z = frequencies(x, frequencies="top4")  # groups of 2, 2, 2 and 1
    pairs = frequency_list("top4", 2)
    assert pairs == [(0, 0), (0, 1), (6, 0), (0, 5)]
    expected = torch.stack([by_definition(x, *pairs[c // 2])[:, c] for c in range(7)], 1)
    torch.testing.assert_close(z, expected, rtol=1e-5, atol=1e-5)
    # fewer channels than frequencies: the first frequencies
    assert DCT(2, 3, frequencies="top16").index.T.tolist() == [[0, 0], [0, 1], [6, 0]]


@pytest.mark.parametrize("size", [28, 56])
def test_pixel_reference_scales_the_index_by_the_maps_size(size: int) -> None:
    # FcaNet multiplies its indices by size // 7 and takes the basis of the map's own size
    x = image(size, size)
    expected = by_definition(x, 3 * size // 7, 6 * size // 7)
    for options in ({}, {"size": size}):
        z = frequencies(x, frequencies=[(3, 6)], freq_ref="pixel", **options)
        torch.testing.assert_close(z, expected, rtol=1e-4, atol=1e-4)
    larger = F.interpolate(x, scale_factor=2.0, mode="nearest")  # brought back to the given size first
    z = frequencies(larger, frequencies=[(3, 6)], freq_ref="pixel", size=size)
    torch.testing.assert_close(z, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["top", "low", "bot"])
def test_lists_hold_each_frequency_once(kind: str) -> None:
    every = frequency_list(f"{kind}32", 2)
    assert len(set(every)) == 32
    assert all(frequency_list(f"{kind}{n}", 2) == every[:n] for n in (1, 2, 4, 8, 16))


def test_in_3d_the_lowest_are_taken() -> None:
    assert frequency_list("low4", 3) == [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0)]
    assert frequency_list("top16", 3) == frequency_list("low16", 3)


def test_the_first_frequency_is_the_mean() -> None:
    for size in [(14, 21), (7, 14, 7)]:
        x = image(*size)
        mean = x.flatten(2).mean(2)
        torch.testing.assert_close(frequencies(x, frequencies="top1"), sqrt(7 ** len(size)) * mean)
        # on the map itself: the square root of its pixels
        whole = frequencies(x, frequencies="low1", freq_ref="pixel")
        torch.testing.assert_close(whole, sqrt(x[0, 0].numel()) * mean)


def test_se_of_the_first_frequency_is_se_of_seven_times_the_mean() -> None:
    torch.manual_seed(0)
    x, plain = image(14, 7), SqueezeExcite(2, 8, reduction=4, bias=False)
    frequency = SqueezeExcite(
        2, 8, reduction=4, bias=False, squeeze=lambda n, c: DCT(n, c, frequencies="top1")
    )
    frequency.load_state_dict(plain.state_dict())
    torch.testing.assert_close(
        frequency.weights(x).logit(), 7 * plain.weights(x).logit(), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("size", [(7, 7), (14, 21), (5, 30), (9, 6, 7)], ids=str)
def test_a_flat_map_has_no_frequency_but_the_first(size: tuple[int, ...]) -> None:
    z = frequencies(torch.ones(1, 32, *size))
    first = sqrt(7 ** len(size)) * torch.ones(1, 2)
    torch.testing.assert_close(z, torch.cat([first, torch.zeros(1, 30)], 1), rtol=1e-5, atol=1e-5)


def test_a_rotated_map_with_swapped_indices_has_the_same_magnitudes() -> None:
    x = image(10, 13, channels=32)
    swapped = [(v, u) for u, v in frequency_list("top32", 2)]
    z = frequencies(x.rot90(1, (2, 3)), frequencies=swapped)
    torch.testing.assert_close(z.abs(), frequencies(x, frequencies="top32").abs(), rtol=1e-4, atol=1e-5)


def test_bases_stay_float32_in_half_precision() -> None:
    x = image(16, 24, channels=32).bfloat16()
    exact = frequencies(x.float())
    with torch.autocast("cpu", torch.bfloat16):
        z = frequencies(x)
    assert z.dtype == torch.bfloat16
    torch.testing.assert_close(z.float(), exact, rtol=2**-8, atol=1e-6)  # what rounding the result costs


@pytest.mark.parametrize("squeeze", ["gap", "dct", "max", "mean_max"])
@pytest.mark.parametrize("block", [SqueezeExcite, EfficientChannelAttention, CBAM])
def test_channel_attentions_take_any_squeeze(block: Callable[..., nn.Module], squeeze: str) -> None:
    torch.manual_seed(1)
    x, made = image(5, 6, channels=64), block(2, 64, squeeze=squeeze)
    sizes = [{k: v.shape for k, v in m.state_dict().items()} for m in (made, block(2, 64))]
    assert sizes[0] == sizes[1]
    attention: Any = made.channel if isinstance(made, CBAM) else made
    weights = attention.weights(x)
    assert weights.shape == (2, 64, 1, 1)
    assert weights.min() > 0
    assert weights.max() < 1
    assert weights.std() > 0
    torch.testing.assert_close(attention(x), x * weights)


@pytest.mark.parametrize("squeeze", ["gap", "dct", "max", "mean_max"])
def test_selective_kernels_take_any_squeeze(squeeze: Any) -> None:
    torch.manual_seed(0)
    weights = SelectiveKernel(2, 8, squeeze=squeeze).weights([image(5, 6), 3 * image(5, 6)])
    torch.testing.assert_close(weights.sum(0), torch.ones(2, 8, 1, 1))


def test_two_summaries_add_their_logits() -> None:
    torch.manual_seed(0)
    x, both = image(5, 6), EfficientChannelAttention(2, 8, squeeze="mean_max")
    mean, largest = (EfficientChannelAttention(2, 8, squeeze=kind) for kind in ("gap", "max"))
    mean.load_state_dict(both.state_dict())
    largest.load_state_dict(both.state_dict())
    expected = mean.weights(x).logit() + largest.weights(x).logit()
    torch.testing.assert_close(both.weights(x).logit(), expected, rtol=1e-4, atol=1e-5)


def test_refuses_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="squeeze 'mean' is unknown"):
        make_squeeze("mean", 2, 8)  # type: ignore[arg-type]
    for name, ndim in [("top3", 2), ("mid4", 2), ("top016", 2), ("bot4", 3)]:
        with pytest.raises(ValueError, match=f"'{name}' are unknown in {ndim}D"):
            frequency_list(name, ndim)
    with pytest.raises(ValueError, match="2 indices from 0 to 6"):
        DCT(2, 8, frequencies=[(0, 7)])
    with pytest.raises(ValueError, match="freq_ref 'map' is unknown"):
        DCT(2, 8, freq_ref="map")  # type: ignore[arg-type]
