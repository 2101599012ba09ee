"""Errors of predicted images, beside torchmetrics, where the target does not count, and from rows."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from unetzoo.metrics import ImageTally, image, image_errors

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


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([(1, 3, 20), (2, 9, 14), (1, 31, 26), (1, 13, 8, 9)]),
    st.lists(st.integers(1, 12), min_size=31, max_size=31),
    st.integers(6, 20),
)
def test_rows_measure_as_the_whole(size: tuple[int, ...], pieces: list[int], block: int) -> None:
    x, y = images(*size)
    y[:, :, 2:4] = math.nan
    expected = image_errors(x, y, HU)
    tally, first = ImageTally(size[1], HU), 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image, "_BLOCK", block)
        for rows in pieces:
            if first < size[1]:
                tally.add(x[:, first : first + rows], y[:, first : first + rows])
                # what is held does not grow with the image
                assert tally._kept[0].shape[1] <= 10
                first += rows
    assert tally.errors == pytest.approx(expected, rel=1e-9)
