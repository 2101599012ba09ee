"""Landmarks from masks, and the masks they fill again."""

import numpy as np
import pytest
import torch

from unetzoo.auxiliary.contours import contour_points, contours_of
from unetzoo.blocks import PolygonFill
from unetzoo.inference.contract import IGNORE


def ellipse(height: int = 96, width: int = 128, *, at: tuple[float, float] = (40, 60)) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    inside: np.ndarray = ((y - at[0]) / 25) ** 2 + ((x - at[1]) / 40) ** 2 < 1
    return inside


def test_filling_the_outline_gives_the_mask_back() -> None:
    mask = ellipse()
    points = contour_points(mask, 60)
    assert points is not None
    logits = PolygonFill([60], 2, (96, 128))(torch.tensor(points)[None], torch.empty(1, 1, 96, 128))
    found = logits.argmax(1)[0].numpy() > 0
    assert 2 * (found & mask).sum() / (found.sum() + mask.sum()) > 0.99


def test_points_start_at_the_top_go_clockwise_and_lie_at_equal_steps() -> None:
    points = contour_points(ellipse(), 40)
    assert points is not None
    assert points[:, 1].argmin() == 0
    assert points[10, 0] > points[30, 0]  # to the right first
    x, y = (points * (128, 96)).T
    steps = np.hypot(np.diff(x), np.diff(y))
    # an outline on a grid of pixels is longer than its chords by up to a factor of sqrt(2)
    assert steps.max() / steps.min() < 1.5


def test_of_a_box_the_corners_are_found() -> None:
    mask = np.zeros((16, 16), bool)
    mask[4:8, 2:10] = True
    points = contour_points(mask, 40)
    assert points is not None
    # a quarter of a pixel within the true edges
    torch.testing.assert_close(points.min(0) * 16, np.array([2.25, 4.25]))
    torch.testing.assert_close(points.max(0) * 16, np.array([9.75, 7.75]))
    np.testing.assert_allclose(points[0] * 16, [2.25, 4.25])


def test_the_largest_object_is_taken_and_its_holes_are_filled() -> None:
    mask = ellipse()
    holed = mask.copy()
    holed[35:45, 50:70] = False
    holed[90:93, 5:9] = True
    a, b = contour_points(mask, 30), contour_points(holed, 30)
    assert a is not None
    assert b is not None
    np.testing.assert_array_equal(a, b)


def test_a_single_pixel_has_an_outline_and_nothing_has_none() -> None:
    mask = np.zeros((8, 8), bool)
    assert contour_points(mask, 6) is None
    mask[3, 5] = True
    points = contour_points(mask, 6)
    assert points is not None
    assert np.abs(points * 8 - [5.5, 3.5]).max() <= 0.25


def test_an_object_that_may_go_on_without_labels_is_not_known() -> None:
    mask, unknown = ellipse(), np.zeros((96, 128), bool)
    unknown[:, :10] = True  # ten pixels away
    assert contour_points(mask, 30, unknown=unknown) is not None
    unknown[:, :21] = True  # it begins at 21
    assert contour_points(mask, 30, unknown=unknown) is None


@pytest.mark.parametrize("overlapping", [False, True])
def test_a_batch_gives_the_contours_of_the_classes_that_are_there(overlapping: bool) -> None:
    target = torch.zeros(2, 96, 128, dtype=torch.long)
    target[0][torch.from_numpy(ellipse())] = 2
    target[1, 10:20, 10:20] = 1
    target[1, 50:, 50:] = IGNORE
    if overlapping:
        target = torch.stack([(target == k).long() for k in (1, 2)], 1)
    points, known = contours_of(target, [8, 12])
    assert points.shape == (2, 20, 2)
    assert known.tolist() == [[0] * 8 + [1] * 12, [1] * 8 + [0] * 12]
    expected = contour_points(ellipse(), 12)
    assert expected is not None
    torch.testing.assert_close(points[0, 8:], torch.from_numpy(expected).float())
