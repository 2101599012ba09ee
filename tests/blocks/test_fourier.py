from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from unetzoo.blocks import FourierBlock
from unetzoo.blocks.fourier import Fourier, FourierMix, _low_pass_matrix, frequencies, low_pass

CPU = torch.device("cpu")
every_size = pytest.mark.parametrize("size", [(8, 6), (7, 9), (1, 5), (4, 1), (3, 6, 5)], ids=str)


def image(*size: int) -> Tensor:
    return torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def both(*size: int) -> tuple[Fourier, Fourier]:
    """By the fast transform, and by matrix products."""
    return Fourier(size, CPU, products=False), Fourier(size, CPU, products=True)


@every_size
def test_matrix_products_are_the_transform(size: tuple[int, ...]) -> None:
    x, (fast, products) = image(*size), both(*size)
    for got, expected in zip(products.there(x), fast.there(x), strict=True):
        # angles are made in float32
        torch.testing.assert_close(got, expected, rtol=0, atol=3e-6)
    torch.testing.assert_close(products.back(*fast.there(x)), x, rtol=0, atol=3e-6)
    torch.testing.assert_close(fast.back(*fast.there(x)), x)


def test_matrix_products_keep_their_precision_on_long_axes() -> None:
    x, (fast, products) = torch.randn(1, 1, 2, 1000), both(2, 1000)
    for got, expected in zip(products.there(x), fast.there(x), strict=True):
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("n", [1, 2, 7, 8, 20, 500])
@pytest.mark.parametrize("cutoff", [0, 0.1, 0.25, 0.9])
def test_low_pass_matrix_is_the_fourier_filter(n: int, cutoff: float) -> None:
    low = (torch.fft.fftfreq(n, dtype=torch.float64).abs() <= cutoff / 2 + 1e-9).double()
    expected = torch.fft.ifft(low[:, None] * torch.fft.fft(torch.eye(n, dtype=torch.float64), dim=0), dim=0)
    matrix = _low_pass_matrix(n, cutoff, CPU)
    torch.testing.assert_close(matrix.double(), expected.real, rtol=0, atol=1e-5)
    x = torch.randn(1, 1, 1, n)
    torch.testing.assert_close(low_pass(x, cutoff), x @ matrix, rtol=0, atol=1e-5)


@every_size
def test_energy_is_kept(size: tuple[int, ...]) -> None:
    x = image(*size)
    re, im = Fourier(size, CPU).there(x)
    n = size[-1]
    twice = torch.tensor([1.0 if 2 * k in (0, n) or k == 0 else 2.0 for k in range(n // 2 + 1)])
    energy = ((re.square() + im.square()) * twice).sum()
    torch.testing.assert_close(energy, x.square().sum())


def test_frequencies_are_torchs() -> None:
    first, second, last = frequencies((6, 5, 7), CPU)
    # torch puts the highest of an even length on the negative side
    torch.testing.assert_close(first[[0, 1, 2, 4, 5]], 2 * torch.fft.fftfreq(6)[[0, 1, 2, 4, 5]])
    assert first[3] == 1
    torch.testing.assert_close(second, 2 * torch.fft.fftfreq(5))
    torch.testing.assert_close(last, 2 * torch.fft.rfftfreq(7))


def mix(ndim: int = 2, grid: int = 7) -> FourierMix:
    torch.manual_seed(0)
    return FourierMix(ndim, 3, grid=grid).double()


def test_a_grid_of_ones_is_the_identity() -> None:
    made, x = mix(), image(9, 12)
    with torch.no_grad():
        made.weight.copy_(torch.tensor([1.0, 0.0])[:, None, None, None])
    torch.testing.assert_close(made(x), x, rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", [(9, 12), (6, 5, 8)], ids=str)
def test_mixing_commutes_with_circular_shifts_and_channels_stay_apart(size: tuple[int, ...]) -> None:
    made, x = mix(len(size)), image(*size)
    shifts, axes = tuple(range(1, len(size) + 1)), tuple(range(2, len(size) + 2))
    torch.testing.assert_close(made(x.roll(shifts, axes)), made(x).roll(shifts, axes), rtol=0, atol=1e-6)
    changed = x.clone()
    changed[:, 0] = 0
    torch.testing.assert_close(made(changed)[:, 1:], made(x)[:, 1:])


def test_the_kernel_is_the_same_at_every_size() -> None:
    """A grid that is smooth is a kernel that is short, and then maps of two sizes see the same one."""
    made = mix(grid=5).double()

    def kernel(n: int) -> Tensor:
        x = torch.zeros(1, 3, n, n, dtype=torch.float64)
        x[:, :, 0, 0] = 1
        centred: Tensor = made(x).roll((4, 4), (2, 3))
        return centred[:, :, :9, :9]

    # what differs are the tails of linear interpolation
    far, near = kernel(64), kernel(48)
    assert (far - near).abs().max() < 0.05 * far.abs().max()


def test_filters_interpolate_the_grid() -> None:
    made = mix(grid=5)
    filters = made.filters((4, 4), CPU)  # frequencies 0, 1/2, 1, -1/2 and 0, 1/2, 1
    expected = made.weight[:, :, [2, 3, 4, 1]].float()
    torch.testing.assert_close(filters, expected)


def test_half_precision_is_transformed_in_float32() -> None:
    made = mix().float()
    x = image(8, 8).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        mixed = made(x)
    assert mixed.dtype == torch.bfloat16
    torch.testing.assert_close(mixed.float(), made(x.float()), rtol=2**-8, atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"pointwise": True}, {"drop_path": 0.5}], ids=str)
def test_a_block_is_two_branches_around_which_the_map_passes(options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    block = FourierBlock(2, 3, 6, grid=3, ratio=2, **options).eval()
    x = torch.randn(2, 3, 5, 6)
    y = block.project(x)
    normed = F.layer_norm(y.movedim(1, -1), (6,)).movedim(-1, 1)
    y = y + block.mix[1](normed)
    torch.testing.assert_close(block(x), y + block.scale(y))
    assert block.scale[1].weight.shape == (12, 6 if options.get("pointwise") else 1, 1, 1)
    block.train()(x).sum().backward()
    assert all(p.grad is not None for p in block.parameters())


def test_refuses_a_grid_without_points() -> None:
    with pytest.raises(ValueError, match="grid=0 holds no frequency"):
        FourierMix(2, 3, grid=0)
