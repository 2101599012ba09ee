"""Losses of predicted images: windows, norms, and pixels that take no part."""

import math

import pytest
import torch
from torch.nn import functional as F

from unetzoo.losses import IntensityLoss, MultiWindow, PixelError

HU = [(-1024, 3000, 1), (-160, 240, 1), (-500, 1300, 1)]
LOSSES = [
    MultiWindow(windows=HU),
    MultiWindow(windows=HU, norm="l2"),
    MultiWindow(windows=HU, norm="charbonnier"),
    PixelError(),
    PixelError(norm="charbonnier", scale=100),
]


def images(*size: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.empty(size, dtype=torch.float64).uniform_(-1000, 2900, generator=generator) for _ in "xy")
    return x, y


@pytest.mark.parametrize("loss", LOSSES)
def test_equal_images_have_no_loss_and_others_have(loss: IntensityLoss) -> None:
    x, _ = images(2, 1, 5, 6)
    assert loss(x, x) == 0
    x[0, 0, 0, 0] = 100
    other = x.clone()
    other[0, 0, 0, 0] += 1  # within all windows
    assert loss(other, x) > 0


def test_differences_outside_all_windows_do_not_count() -> None:
    x, _ = images(1, 1, 4, 4)
    loss = MultiWindow(windows=[(-160, 240, 1)])
    below, further = x.clamp(max=-200), x.clamp(max=-200) - 50
    assert loss(below, further) == 0
    assert loss(x + 1, x) > 0


def test_one_window_over_the_whole_range_is_scaled_l1() -> None:
    x, y = images(2, 3, 5, 6)
    low, high = -1024.0, 3000.0
    torch.testing.assert_close(MultiWindow(windows=[(low, high, 1)])(x, y), F.l1_loss(x, y) / (high - low))
    torch.testing.assert_close(
        MultiWindow(windows=[(low, high, 2)])(x, y), 2 * PixelError(scale=high - low)(x, y)
    )


def test_windows_add_up() -> None:
    x, y = images(1, 1, 4, 5, 6)
    alone = [MultiWindow(windows=[window])(x, y) for window in HU]
    torch.testing.assert_close(MultiWindow(windows=HU)(x, y), torch.stack(alone).sum())


def test_norms_are_those_of_torch() -> None:
    x, y = images(1, 2, 7, 5)
    torch.testing.assert_close(PixelError(norm="l2")(x, y), F.mse_loss(x, y))
    # far from zero Charbonnier's is the absolute error
    assert PixelError(norm="charbonnier")(x, y).item() == pytest.approx(F.l1_loss(x, y).item(), abs=1e-3)


def test_outside_a_window_only_the_wider_one_has_a_gradient() -> None:
    prediction = torch.full((1, 1, 2, 2), 2000.0, requires_grad=True)
    target = torch.zeros(1, 1, 2, 2)
    (narrow,) = torch.autograd.grad(MultiWindow(windows=[(-160, 240, 1)])(prediction, target), prediction)
    assert not narrow.any()
    (wide,) = torch.autograd.grad(MultiWindow(windows=HU)(prediction, target), prediction)
    torch.testing.assert_close(wide, torch.full_like(wide, 1 / 4024 / 4))


@pytest.mark.parametrize("loss", LOSSES)
def test_unknown_pixels_change_neither_value_nor_gradient(loss: IntensityLoss) -> None:
    x, y = images(2, 1, 6, 5)
    known = torch.ones_like(y, dtype=torch.bool)
    known[:, :, :, 3:] = False
    x.requires_grad_(True)
    holes = loss(x, y.where(known, torch.tensor(math.nan)))
    torch.testing.assert_close(holes, loss(x[..., :3], y[..., :3]))
    torch.testing.assert_close(holes, loss(x, y, known))
    (gradient,) = torch.autograd.grad(holes, x)
    assert gradient.isfinite().all()
    assert gradient[..., :3].any()
    assert not gradient[..., 3:].any()


def test_a_batch_without_any_target_gives_zero() -> None:
    x, y = images(1, 1, 3, 3)
    x.requires_grad_(True)
    loss = MultiWindow(windows=HU)(x, torch.full_like(y, math.nan))
    assert loss == 0
    loss.backward()
    assert x.grad is not None
    assert not x.grad.any()


def test_half_precision_loses_nothing() -> None:
    x, y = (v.round().bfloat16() for v in images(1, 1, 8, 8))
    with torch.autocast("cpu", torch.bfloat16):
        loss = MultiWindow(windows=HU)(x, y)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, MultiWindow(windows=HU)(x.float(), y.float()), rtol=0, atol=0)


def test_what_is_no_window_or_no_image_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\[5, 5, 1\] is not \(low, high, weight\)"):
        MultiWindow(windows=[[5, 5, 1]])
    with pytest.raises(ValueError, match="nothing to compare"):
        MultiWindow(windows=[])
    with pytest.raises(ValueError, match="norm='l3' is unknown"):
        PixelError(norm="l3")
    with pytest.raises(ValueError, match="scale=0 must be positive"):
        PixelError(scale=0)
    with pytest.raises(ValueError, match="choose loss=dice_ce for classes"):
        PixelError()(torch.zeros(1, 2, 4, 4), torch.zeros(1, 4, 4))
