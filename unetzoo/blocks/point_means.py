"""What a feature map says around points."""

from itertools import product

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["point_means"]


def point_means(features: Tensor, points: Tensor, *, window: int = 3) -> Tensor:
    """Mean of bilinear samples, one pixel apart, in a square around each point (HybridGNet's lookup).

    Point p of a map W pixels wide is at index p W, an integer index being a pixel's centre. Samples up to one
    pixel beyond the border repeat it, and those further out are zero. It is torchvision's ``roi_align`` to a
    single cell with a sampling ratio of 3 and ``aligned``, except that the points get a gradient too.

    Args:
        features: (B, C, H, W).
        points: (B, N, 2), as (x, y), fractions of width and height.
        window: Samples along each side, odd.

    Returns:
        (B, N, C) in float32.
    """
    size = torch.tensor([features.shape[3], features.shape[2]], device=points.device)
    reach = range(-(window // 2), window // 2 + 1)
    steps = torch.tensor([[x, y] for y, x in product(reach, reach)], device=points.device)
    index = (points.float() * size).unsqueeze(2) + steps  # (B, N, window^2, 2)
    seen = F.grid_sample(
        features.float(), (2 * index + 1) / size - 1, padding_mode="border", align_corners=False
    )
    inside = ((index >= -1) & (index <= size)).all(3)
    return (seen * inside.unsqueeze(1)).mean(3).transpose(1, 2)
