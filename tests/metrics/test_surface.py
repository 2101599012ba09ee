"""Surface distances against scipy's distance transform and figures that can be measured with a ruler."""

import sys
from typing import Any

import numpy as np
import pytest
import torch
from monai.metrics.hausdorff_distance import compute_hausdorff_distance
from monai.metrics.surface_dice import compute_surface_dice
from monai.metrics.surface_distance import compute_average_surface_distance
from scipy import ndimage

from unetzoo.metrics import average_distance, diagonal, largest_distance, surface


def blob(size: tuple[int, ...], seed: int) -> np.ndarray:
    field = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(size), 3)
    return np.asarray(field > 0.3 * field.std())


def hd95_by_distance_transform(a: np.ndarray, b: np.ndarray, spacing: tuple[float, ...]) -> float:
    border_a, border_b = a & ~ndimage.binary_erosion(a), b & ~ndimage.binary_erosion(b)
    to_b = ndimage.distance_transform_edt(~border_b, sampling=spacing)[border_a]
    to_a = ndimage.distance_transform_edt(~border_a, sampling=spacing)[border_b]
    return float(max(np.percentile(to_b, 95), np.percentile(to_a, 95)))


def nsd_2d_by_hand(a: np.ndarray, b: np.ndarray, spacing: tuple[float, float], tolerance: float) -> float:
    """Marching squares on 2 x 2 corners: contour length per corner from the four pixels around it."""
    rows, columns = spacing
    slant = np.hypot(rows, columns) / 2

    def contour(mask: np.ndarray) -> np.ndarray:
        m = np.pad(mask, 1).astype(int)
        p, q, r, s = m[:-1, :-1], m[:-1, 1:], m[1:, :-1], m[1:, 1:]
        total = p + q + r + s
        corner = (total == 1) | (total == 3)
        upright = (
            (total == 2) & (p == r) & (q == s)
        )  # left differs from right: the contour runs along the rows
        level = (total == 2) & (p == q) & (r == s)
        crossing = (total == 2) & (p == s) & (q == r)
        return np.asarray(corner * slant + upright * rows + level * columns + crossing * 2 * slant)

    length_a, length_b = contour(a), contour(b)
    to_b = ndimage.distance_transform_edt(length_b == 0, sampling=spacing)
    to_a = ndimage.distance_transform_edt(length_a == 0, sampling=spacing)
    agreeing = length_a[to_b <= tolerance].sum() + length_b[to_a <= tolerance].sum()
    return float(agreeing / (length_a.sum() + length_b.sum()))


@pytest.mark.parametrize(
    ("size", "spacing"),
    [
        ((60, 50), (1.0, 1.0)),
        ((60, 50), (3.0, 0.5)),
        ((16, 30, 24), (1.0, 1.0, 1.0)),
        ((16, 30, 24), (3.0, 0.5, 0.8)),
    ],
)
def test_hd95_equals_the_distance_transform_formula(
    size: tuple[int, ...], spacing: tuple[float, ...]
) -> None:
    a, b = blob(size, 0), blob(size, 1)  # both touch the image's border
    assert surface(a, b, spacing=spacing, tolerance=1).hd95 == pytest.approx(
        hd95_by_distance_transform(a, b, spacing), abs=1e-5
    )


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (2.0, 0.7), (0.7, 2.0)])
@pytest.mark.parametrize("tolerance", [0.9, 2.5])
def test_nsd_equals_marching_squares_lengths(spacing: tuple[float, float], tolerance: float) -> None:
    a, b = blob((40, 50), 2), blob((40, 50), 3)
    assert surface(a, b, spacing=spacing, tolerance=tolerance).nsd == pytest.approx(
        nsd_2d_by_hand(a, b, spacing, tolerance), abs=1e-5
    )


def test_nsd_in_3d_equals_deepmind_surface_distance() -> None:
    z, y, x = np.indices((14, 24, 20))
    a = ((z - 6) / 4) ** 2 + ((y - 11) / 8) ** 2 + ((x - 9) / 6) ** 2 < 1
    b = ((z - 7) / 4) ** 2 + ((y - 12) / 7) ** 2 + ((x - 10) / 7) ** 2 < 1
    # figures computed once with google-deepmind/surface-distance 0.1
    figures = {(1.0, 1.0, 1.0): 0.825047, (3.0, 0.5, 0.8): 0.803264, (0.5, 3.0, 0.8): 0.928212}
    for spacing, expected in figures.items():
        assert surface(a, b, spacing=spacing, tolerance=1).nsd == pytest.approx(expected, abs=1e-5)


def test_box_shifted_along_the_coarse_axis() -> None:
    a = np.zeros((24, 20, 20), bool)
    a[5:12, 6:14, 6:14] = True
    b = np.roll(a, 2, axis=0)
    for spacing in ((3.0, 1.0, 1.0), (1.0, 3.0, 3.0)):
        assert surface(a, b, spacing=spacing, tolerance=1).hd95 == pytest.approx(2 * spacing[0])
    assert surface(a, b, spacing=(3, 1, 1), tolerance=6.1).nsd == 1.0
    # the two faces across the shift are 6 mm apart, the sides overlap for most of their height
    assert 0.3 < surface(a, b, spacing=(3, 1, 1), tolerance=1).nsd < 0.8


def test_direction_does_not_matter() -> None:
    a, b = blob((50, 40), 4), blob((50, 40), 5)
    b[:25] = False
    assert surface(a, b, spacing=(1, 2), tolerance=2) == pytest.approx(
        surface(b, a, spacing=(1, 2), tolerance=2)
    )


def test_larger_direction_counts() -> None:
    a = np.zeros((9, 64), bool)
    a[4, :60] = True
    b = a.copy()
    b[:, 20:] = False  # all of b is on a, two thirds of a are far from b
    distances = np.clip(np.arange(60) - 19, 0, None)
    assert surface(a, b, spacing=(1, 1), tolerance=1).hd95 == pytest.approx(np.percentile(distances, 95))


def test_equal_masks_are_perfect_even_at_the_border_and_as_a_single_pixel() -> None:
    full = np.ones((6, 7), bool)
    dot = np.zeros((6, 7), bool)
    dot[0, 6] = True
    for mask in (full, dot, np.ones((3, 4, 5), bool)):
        spacing = (2.0,) * mask.ndim
        assert surface(mask, mask, spacing=spacing, tolerance=0) == (0.0, 1.0)


def test_an_object_at_the_border_is_measured_like_one_inside() -> None:
    a = np.zeros((30, 30), bool)
    a[:6, :5] = True
    b = np.zeros((30, 30), bool)
    b[:8, :5] = True
    inside = [np.roll(mask, (10, 10), axis=(0, 1)) for mask in (a, b)]
    assert surface(a, b, spacing=(2, 1), tolerance=1) == surface(*inside, spacing=(2, 1), tolerance=1)


@pytest.mark.parametrize(
    ("size", "spacing"), [((37, 29), (1.0, 1.0)), ((41, 18), (0.3, 2.5)), ((13, 12, 15), (2.0, 0.7, 1.0))]
)
@pytest.mark.parametrize("piece", [1, 90, 2**20])
def test_distances_found_some_rows_at_a_time_are_monais_of_the_whole(
    size: tuple[int, ...], spacing: tuple[float, ...], piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["unetzoo.metrics.surface"], "_PIECE", piece)
    a, b = blob(size, 6), blob(size, 7)
    masks: Any = {"y_pred": torch.from_numpy(a)[None, None], "y": torch.from_numpy(b)[None, None]}
    masks |= {"include_background": True, "spacing": spacing}
    hd95 = float(compute_hausdorff_distance(**masks, percentile=95))
    nsd = float(compute_surface_dice(**masks, class_thresholds=[0.9], use_subvoxels=True))
    found = surface(a, b, spacing=spacing, tolerance=0.9)
    assert (found.hd95, found.nsd) == pytest.approx((hd95, nsd), rel=1e-5)
    largest = float(compute_hausdorff_distance(**masks))
    assert largest_distance(a, b, spacing=spacing) == pytest.approx(largest, rel=1e-6)
    average = float(compute_average_surface_distance(**masks, symmetric=True))
    assert average_distance(a, b, spacing=spacing) == pytest.approx(average, rel=1e-5)


def test_diagonal_is_in_the_unit_of_the_spacing() -> None:
    assert diagonal((3, 4), (1, 1)) == 5
    assert diagonal((3, 4), (2, 2)) == 10
