"""What a convolution of several features computes."""

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["convolved"]


def convolved(
    features: Sequence[Tensor],
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] | str = 0,
    dilation: int | Sequence[int] = 1,
) -> Tensor:
    """The convolution of (B, C_k, *size) side by side with (C, sum of C_k, *kernel)."""
    function = {4: torch.conv2d, 5: torch.conv3d}[weight.dim()]
    return function(torch.cat([*features], 1), weight, bias, stride, padding, dilation)
