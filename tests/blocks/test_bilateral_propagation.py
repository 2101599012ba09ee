import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from unetzoo.blocks.bilateral_propagation import BilateralPropagation


@pytest.mark.parametrize("size", [(9, 12), (5, 6, 7), (3, 40)])
def test_smoothing_by_distance_equals_scipys_gaussian(size: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 2, *size, dtype=torch.float64)
    smoothed = BilateralPropagation(len(size), 2).double().by_distance(x)
    for channel in range(2):
        # both end 5 pixels from the centre; the weights were made in single precision
        theirs = gaussian_filter(x[0, channel].numpy(), 1.5, mode="nearest", truncate=3)
        np.testing.assert_allclose(smoothed[0, channel].numpy(), theirs, rtol=0, atol=1e-6)


def test_smoothing_by_likeness_equals_the_formula_pixel_by_pixel() -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 3, 4, 5)
    smoothed = BilateralPropagation(2, 3).by_likeness(x)
    border = torch.nn.functional.pad(x, (1, 1, 1, 1), mode="replicate")
    for i in range(4):
        for j in range(5):
            near = border[0, :, i : i + 3, j : j + 3].reshape(3, 9)
            weights = (x[0, :, i, j] @ near).softmax(0)
            torch.testing.assert_close(smoothed[0, :, i, j], near @ weights)


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_constant_stays_as_it_is(ndim: int) -> None:
    block = BilateralPropagation(ndim, 2)
    x = torch.full((1, 2, *(3, 4, 5)[:ndim]), 0.7)
    torch.testing.assert_close(block.by_distance(x), x)
    torch.testing.assert_close(block.by_likeness(x), x)
