from typing import Any

import numpy as np
import torch
from scipy.interpolate import RBFInterpolator
from torch import nn

from unetzoo.levels import Gate, Level
from unetzoo.skips import DeformedSkip
from unetzoo.skips.tps import ThinPlateSpline, pixel_centres, scatter, warp

ROWS = [Level(4, (1, 1)), Level(6, (2, 2)), Level(8, (4, 4))]
GATES = [Gate(5, (1, 1), ROWS[1]), Gate(7, (2, 2), ROWS[2])]


def pathway(level: int = -1, *, move: float = 0.0) -> tuple[Any, list[torch.Tensor]]:
    torch.manual_seed(0)
    skip = DeformedSkip(ROWS, GATES, level=level)
    nn.init.normal_(skip.localise[2].weight, std=max(move, 1e-9))  # type: ignore[arg-type]
    return skip, [torch.randn(2, c, 24 // s, 32 // s) for c, (s, _) in ROWS]


def test_spline_takes_control_points_where_they_are_told_to_go() -> None:
    torch.manual_seed(0)
    spline = ThinPlateSpline((3, 4))
    offsets = 0.3 * torch.randn(2, 12, 2)
    at = spline.points.T.reshape(1, 2, 3, 4)
    moved = spline(offsets, at).flatten(2).transpose(1, 2)
    torch.testing.assert_close(moved, spline.points + offsets, rtol=0, atol=1e-5)


def test_spline_equals_scipys() -> None:
    torch.manual_seed(0)
    spline = ThinPlateSpline((4, 4))
    offsets = 0.3 * torch.randn(1, 16, 2)
    positions = pixel_centres(torch.zeros(1, 1, 5, 7))
    theirs = RBFInterpolator(spline.points.numpy(), offsets[0].numpy(), kernel="thin_plate_spline")
    expected = positions + torch.tensor(
        theirs(positions[0].flatten(1).T.numpy()).T.reshape(1, 2, 5, 7), dtype=torch.float32
    )
    np.testing.assert_allclose(spline(offsets, positions).numpy(), expected.numpy(), rtol=0, atol=1e-5)


def test_control_points_moved_by_an_affine_map_give_that_map() -> None:
    spline = ThinPlateSpline()
    matrix, shift = torch.tensor([[0.9, 0.2], [-0.1, 1.1]]), torch.tensor([0.05, -0.1])
    offsets = spline.points @ matrix.T + shift - spline.points
    positions = pixel_centres(torch.zeros(1, 1, 6, 8))
    expected = torch.einsum("ij,bjhw->bihw", matrix, positions) + shift.reshape(1, 2, 1, 1)
    torch.testing.assert_close(spline(offsets[None], positions), expected, rtol=0, atol=1e-5)


def test_warp_and_scatter_along_the_identity_change_nothing() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, 7, 10)
    positions = pixel_centres(x).expand(2, -1, -1, -1)
    torch.testing.assert_close(warp(x, positions), x, rtol=0, atol=1e-5)
    torch.testing.assert_close(scatter(x, positions), x, rtol=0, atol=1e-5)


def test_scatter_undoes_a_small_warp_of_a_smooth_image() -> None:
    torch.manual_seed(0)
    y, x = torch.meshgrid(torch.linspace(0, 3, 40), torch.linspace(0, 3, 40), indexing="ij")
    image = (torch.sin(x) * torch.cos(y))[None, None]
    positions = ThinPlateSpline()(0.05 * torch.randn(1, 16, 2), pixel_centres(image))
    back = scatter(warp(image, positions), positions)
    # bilinear sampling there and back blurs by a fraction of the difference between neighbours, 0.08
    assert (back - image)[..., 4:-4, 4:-4].abs().max() < 0.03


def test_scatter_gives_colliding_pixels_their_weighted_mean_and_keeps_what_gets_nothing() -> None:
    x = torch.tensor([[[[1.0, 2.0, 3.0, 4.0]]]])
    # in pixels: 0 and 1 both go to 1, the third halfway between 2 and 3, the last outside
    columns = torch.tensor([1.0, 1.0, 2.5, 9.0])
    positions = torch.stack([(2 * columns + 1) / 4 - 1, torch.zeros(4)]).reshape(1, 2, 1, 4)
    torch.testing.assert_close(scatter(x, positions).flatten(), torch.tensor([1.0, 1.5, 3.0, 3.0]))


def test_scatter_leaves_a_constant_alone_wherever_pixels_go() -> None:
    torch.manual_seed(0)
    positions = 2 * torch.randn(1, 2, 6, 6)
    x = torch.full((1, 1, 6, 6), 0.7)
    torch.testing.assert_close(scatter(x, positions), x)


def test_rows_above_pass_and_the_warped_row_carries_its_positions() -> None:
    skip, features = pathway(move=0.5)
    out = skip(features)
    assert [r.shape[1] for r in out] == [4, 8, 8] == [level.channels for level in skip.levels]
    assert torch.equal(out[0], features[0])
    positions = out[1][:, -2:]
    assert (positions - pixel_centres(features[1])).abs().max() > 0.05
    torch.testing.assert_close(out[1][:, :-2], warp(features[1], positions))
    assert not torch.allclose(out[2], features[2], atol=1e-2)


def test_gradient_reaches_the_localisation_from_the_warp_and_from_the_scatter() -> None:
    skip, features = pathway(move=0.3)
    rows = skip(features)
    warped = rows[1][:, :-2].square().sum()
    gate = torch.randn(2, 7, 12, 16)
    merged = skip.merge(1, torch.cat([rows[1][:, :-2].detach(), rows[1][:, -2:]], 1), gate, rows[2])
    for loss in (warped, merged.square().sum()):
        (gradient,) = torch.autograd.grad(loss, skip.localise[0].weight, retain_graph=True)
        assert gradient.abs().max() > 0


def test_it_starts_as_the_plain_skip() -> None:
    skip, features = pathway()
    rows = skip(features)
    gate = torch.randn(2, 7, 12, 16)
    torch.testing.assert_close(rows[2], features[2], rtol=0, atol=1e-5)
    torch.testing.assert_close(
        skip.merge(1, rows[1], gate, rows[2]), torch.cat([features[1], gate], 1), rtol=0, atol=1e-5
    )
