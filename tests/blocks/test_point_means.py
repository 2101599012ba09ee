import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from unetzoo.blocks import point_means


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float32)


def test_a_point_on_a_pixel_gets_the_mean_of_three_by_three() -> None:
    x = noise(2, 4, 6, 9)
    points = torch.tensor([[3 / 9, 2 / 6], [7 / 9, 4 / 6]]).expand(2, -1, -1)
    pooled = F.avg_pool2d(x, 3, 1, 1)
    expected = torch.stack([pooled[:, :, 2, 3], pooled[:, :, 4, 7]], 1)
    torch.testing.assert_close(point_means(x, points), expected)
    single = torch.stack([x[:, :, 2, 3], x[:, :, 4, 7]], 1)
    torch.testing.assert_close(point_means(x, points, window=1), single)


def test_between_pixels_and_beyond_the_border_it_is_roi_align_with_three_samples() -> None:
    ops = pytest.importorskip("torchvision.ops")
    x = noise(2, 4, 8, 8)
    points = torch.rand(2, 60, 2, generator=torch.Generator().manual_seed(1)) * 1.4 - 0.2
    p = points * 8
    boxes = torch.cat([p - 1, p + 2], 2)
    expected = ops.roi_align(x, [*boxes], 1, sampling_ratio=3, aligned=True).reshape(2, 60, 4)
    torch.testing.assert_close(point_means(x, points), expected, rtol=0, atol=1e-5)


def test_gradients_reach_the_map_and_the_points() -> None:
    x, points = noise(1, 2, 5, 5).requires_grad_(), torch.tensor([[[0.43, 0.51]]], requires_grad=True)
    point_means(x, points).sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert points.grad is not None
    assert int((x.grad[0, 0] != 0).sum()) == 16  # nine samples between 4 x 4 pixels
    assert bool(points.grad.all())
