"""Elastic deformation: smooth, through the drawn shifts, the same for image and mask."""

from typing import Any

import numpy as np
import pytest
import torch

from unetzoo.datasets.augment import Augment2d, Augment3d
from unetzoo.datasets.elastic import spline_field
from unetzoo.inference.contract import IGNORE

MOVED = {"keys": ["image", "mask"], "mode": ["bilinear", "nearest"], "prob": 1.0}


def elastic(**options: Any) -> Augment3d:
    return Augment3d([{"RandElasticd": MOVED | options}])


def patch(shape: tuple[int, ...] = (20, 24, 28)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    mask = rng.choice([0, 1, 3, IGNORE], shape).astype(np.uint8)
    return rng.normal(size=(2, *shape)).astype(np.float32), mask


def test_zero_amplitude_is_the_identity() -> None:
    x, mask = patch()
    y, moved = elastic(sigma=[0, 0])(x, mask, 0)
    # coordinates go to -1..1 and back in float32
    np.testing.assert_allclose(y, x, atol=1e-4)
    np.testing.assert_array_equal(moved, mask)
    flat, flat_mask = x[:, 0], mask[0]
    y, moved = Augment2d([{"ElasticTransform": {"alpha": 0, "sigma": 6, "p": 1}}])(flat, flat_mask, 0)
    np.testing.assert_allclose(y, flat, atol=1e-4)
    np.testing.assert_array_equal(moved, flat_mask)


@pytest.mark.parametrize("seed", range(3))
def test_labels_stay_what_they_are_and_nothing_else_comes_in(seed: int) -> None:
    x, mask = patch()
    y, moved = elastic(spacing=8, sigma=[4, 4])(x, mask, seed)
    assert set(np.unique(moved)) <= {0, 1, 3, IGNORE}
    assert not np.array_equal(moved, mask)
    inside = elastic(spacing=8, sigma=[4, 4])(x, np.zeros_like(mask), seed)[1] == 0
    assert (moved[~inside] == IGNORE).all()
    assert np.isfinite(y).all()


def test_image_and_mask_move_alike() -> None:
    mask = np.zeros((24, 24, 24), np.uint8)
    mask[6:18, 6:18, 6:18] = 1
    y, moved = elastic(spacing=8, sigma=[2, 2], padding_mode="border")(mask[None].astype(np.float32), mask, 3)
    assert not np.array_equal(moved, mask)
    # nearest and linear sampling of a box agree everywhere but within half a voxel of its faces
    assert ((y[0] > 0.5) == moved).mean() > 0.97


def test_the_field_passes_through_the_shifts_and_is_smooth() -> None:
    shifts = np.random.default_rng(0).normal(0, 4, (3, 5, 6, 4))
    field = spline_field(shifts, (17, 22, 9), (8.0, 7.0, 8.0))
    assert field.shape == (3, 17, 22, 9)
    np.testing.assert_allclose(field[:, ::8, ::7, ::8], shifts[:, 1:4, 1:5, 1:3], atol=1e-5)
    # a piecewise linear field bends at its knots alone, by up to the whole difference of two slopes
    assert torch.diff(field, n=2, dim=1).abs().max() < 0.5 * np.abs(np.diff(shifts, n=2, axis=1)).max() / 8


def test_a_wrong_amplitude_is_named() -> None:
    x, mask = patch()
    with pytest.raises(ValueError, match=r"RandElasticd does not take .*range of voxels"):
        elastic(sigma=[4, 1])(x, mask, 0)
