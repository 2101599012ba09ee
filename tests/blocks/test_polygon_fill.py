"""Filled polygons, against OpenCV and plain geometry."""

from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from unetzoo.blocks import PolygonFill
from unetzoo.blocks.polygon_fill import signed_distance


def star(count: int, *, seed: int = 0, size: float = 64) -> np.ndarray:
    """A closed contour that crosses nothing, not convex."""
    rng = np.random.default_rng(seed)
    angle = np.arange(count) / count * 2 * np.pi
    radius = size * rng.uniform(0.15, 0.45, count)
    points: np.ndarray = size / 2 + radius[:, None] * np.stack([np.sin(angle), np.cos(angle)], 1)
    return points


def centres(count: int) -> Tensor:
    return torch.arange(count, dtype=torch.float64) + 0.5


def distance(polygon: np.ndarray, height: int, width: int, **options: Any) -> Tensor:
    points = torch.tensor(polygon, dtype=torch.float64)[None]
    return signed_distance(points, centres(width), centres(height), **options)[0]


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_fill_is_opencvs(seed: int) -> None:
    polygon = star(23, seed=seed, size=128)
    found = distance(polygon, 128, 128).numpy()
    # OpenCV paints the outline too, which is an eighth of a pixel here
    fine = np.round((polygon * 8 - 0.5) * 256).astype(np.int32)
    theirs = cv2.fillPoly(np.zeros((1024, 1024), np.uint8), [fine], 1, shift=8)[4::8, 4::8] > 0
    assert dice(found > 0, theirs) > 0.995
    far = np.abs(found) > 0.25
    assert np.array_equal(found[far] > 0, theirs[far])


def test_the_distance_is_that_of_opencvs_point_test() -> None:
    polygon = star(11).astype(np.float32)
    ours = distance(polygon, 64, 64)
    for y, x in np.random.default_rng(0).integers(0, 64, (200, 2)):
        theirs = cv2.pointPolygonTest(polygon, (x + 0.5, y + 0.5), measureDist=True)
        assert float(ours[y, x]) == pytest.approx(theirs, abs=1e-4)


def test_a_contour_that_crosses_itself_is_filled_by_the_even_odd_rule() -> None:
    angle = np.arange(5) * 4 * np.pi / 5
    pentagram = 32 + 30 * np.stack([np.sin(angle), np.cos(angle)], 1)
    inside = distance(pentagram, 64, 64) > 0
    assert not inside[32, 32]  # wound around twice
    assert inside[55, 32]


@pytest.mark.parametrize("seed", [0, 1])
def test_area_and_distance_of_a_box_are_exact(seed: int) -> None:
    box = np.array([[8.0, 4], [24, 4], [24, 20], [8, 20]])[:: 1 - 2 * seed].copy()  # either way round
    found = distance(box, 32, 32, segments=3)
    assert int((found > 0).sum()) == 16 * 16
    assert float(found[12, 15]) == pytest.approx(7.5, abs=1e-6)
    assert float(found[12, 30]) == pytest.approx(-6.5, abs=1e-6)
    assert float(found[0, 30]) == pytest.approx(-np.hypot(3.5, 6.5), abs=1e-6)


def test_moving_a_side_out_adds_what_geometry_says() -> None:
    box = torch.tensor([[[8.0, 4], [24, 4], [24, 20], [8, 20]]], dtype=torch.float64, requires_grad=True)
    rows, columns = centres(32), centres(32)
    signed_distance(box, columns, rows)[0, 12, 20].backward()  # type: ignore[no-untyped-call]
    assert box.grad is not None
    # nearest is the right side, 8.5 of its 16 px from its first end
    expected = torch.zeros(4, 2, dtype=torch.float64)
    expected[1, 0], expected[2, 0] = 1 - 8.5 / 16, 8.5 / 16
    torch.testing.assert_close(box.grad[0], expected)


def test_the_gradient_is_that_of_differences_and_finite_on_the_line() -> None:
    polygon = torch.tensor(star(7, size=12))[None].requires_grad_()
    assert torch.autograd.gradcheck(lambda p: signed_distance(p, centres(12), centres(12)), polygon)
    on = torch.tensor([[[2.5, 2.5], [8.5, 2.5], [8.5, 8.5]]], requires_grad=True)
    signed_distance(on, centres(12).float(), centres(12).float()).sum().backward()  # type: ignore[no-untyped-call]
    assert on.grad is not None
    assert bool(on.grad.isfinite().all())
    point = torch.full((1, 6, 2), 3.0, requires_grad=True)
    signed_distance(point, centres(12).float(), centres(12).float()).sum().backward()  # type: ignore[no-untyped-call]
    assert point.grad is not None
    assert bool(point.grad.isfinite().all())


def test_a_mask_pulls_a_contour_into_its_place() -> None:
    target = (distance(star(9, seed=3), 64, 64) > 0).float()
    angle = torch.arange(36) / 36 * 2 * torch.pi
    points = 0.5 + 0.3 * torch.stack([angle.sin(), angle.cos()], 1)[None]
    points.requires_grad_()
    fill = PolygonFill([36], 1, (64, 64), activation="sigmoid")
    image = torch.empty(1, 3, 64, 64)
    optimizer = torch.optim.Adam([points], lr=3e-3)
    for _ in range(150):
        optimizer.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(fill(points, image)[0, 0], target)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert dice((fill(points, image)[0, 0] > 0).numpy(), target.numpy() > 0) > 0.95


def test_every_class_has_its_contour_and_the_background_what_is_left() -> None:
    contours = torch.tensor(np.concatenate([star(8), star(9, seed=1) / 2]) / 64).float()[None]
    fill = PolygonFill([8, 9, 7], 3, (64, 64))
    logits = fill(contours, torch.empty(1, 1, 32, 48))
    assert logits.shape == (1, 3, 32, 48)
    assert not logits[:, 0].any()
    assert torch.equal(logits.argmax(1) == 0, (logits[:, 1:] < 0).all(1))
    assert float(logits.abs().max()) <= 10
    overlapping = PolygonFill([8, 9], 2, (64, 64), activation="sigmoid")
    assert torch.equal(overlapping(contours, torch.empty(1, 1, 32, 48)), logits[:, 1:])


def test_refuses_what_cannot_be() -> None:
    with pytest.raises(
        ValueError, match=r"organs=\[8\] lists 1 contours for 2 classes besides the background"
    ):
        PolygonFill([8], 3, (64, 64))
    with pytest.raises(ValueError, match=r"organs=\[8\] lists 1 contours for 3 classes; give a number"):
        PolygonFill([8], 3, (64, 64), activation="sigmoid")
    with pytest.raises(ValueError, match="softness=0 and limit=10"):
        PolygonFill([8], 2, (64, 64), softness=0)
