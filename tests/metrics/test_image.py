"""Errors of predicted images, beside torchmetrics and MONAI, and where the target does not count."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from monai.metrics.regression import compute_ssim_and_cs
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from unetzoo.metrics import image_errors
from unetzoo.metrics.image import ssim_map

HU = (-1000.0, 2000.0)


def images(*size: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    target = np.clip(rng.normal(0, 1, size).cumsum(-1) * 300, *HU).astype(np.float32)
    return (target + rng.normal(0, 80, size)).astype(np.float32), target


@pytest.mark.parametrize("size", [(1, 30, 26), (2, 24, 40), (1, 14, 16, 18)])
def test_whole_images_measure_as_in_torchmetrics(size: tuple[int, ...]) -> None:
    x, y = images(*size)
    found = image_errors(x, y, HU)
    a, b = torch.from_numpy(x)[None].double(), torch.from_numpy(y)[None].double()
    assert found.mae == pytest.approx(float((a - b).abs().mean()))
    assert found.psnr == pytest.approx(float(peak_signal_noise_ratio(a, b, data_range=HU[1] - HU[0])))
    expected = structural_similarity_index_measure(a, b, sigma=1.5, data_range=HU[1] - HU[0])
    assert found.ssim == pytest.approx(torch.as_tensor(expected).item(), abs=1e-7)
    # MONAI's leaves out the windows that reach over the border
    inside: Any = (..., *[slice(5, -5)] * (len(size) - 1))
    whole, _ = compute_ssim_and_cs(
        a.float(),
        b.float(),
        spatial_dims=len(size) - 1,
        data_range=HU[1] - HU[0],
        kernel_size=(11,) * (len(size) - 1),
        kernel_sigma=(1.5,) * (len(size) - 1),
    )
    assert ssim_map(x, y, HU[1] - HU[0])[inside].mean() == pytest.approx(float(whole.mean()), abs=1e-4)


def test_pixels_without_target_do_not_count() -> None:
    x, y = images(1, 30, 26)
    holes = y.copy()
    holes[:, :4] = math.nan
    found = image_errors(x, holes, HU)
    assert found.mae == pytest.approx(np.abs(x - y)[:, 4:].mean())
    x[:, :4] = np.random.default_rng(1).normal(0, 1e5, (1, 4, 26))
    assert image_errors(x, holes, HU) == found
    x[:, :4] = math.nan
    assert image_errors(x, holes, HU) == found


def test_equal_images_and_no_image() -> None:
    _, y = images(1, 12, 9)
    same = image_errors(y, y, HU)
    assert (same.mae, same.psnr) == (0, math.inf)
    assert same.ssim == pytest.approx(1)
    assert all(math.isnan(value) for value in image_errors(y, np.full_like(y, math.nan), HU))


@pytest.mark.parametrize("size", [(1, 3, 20), (1, 1, 1)])
def test_images_smaller_than_the_window_are_mirrored(size: tuple[int, ...]) -> None:
    x, y = images(*size)
    assert -1 <= image_errors(x, y, HU).ssim < 1
