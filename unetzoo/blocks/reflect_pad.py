"""Reflection at the border, of maps of any size."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["ReflectPad"]


class ReflectPad(nn.Module):
    """Mirror ``width`` pixels at either end of each axis; the border pixel itself is not repeated.

    torch refuses axes of ``width`` pixels or fewer, which a bottleneck may well have; here they are mirrored
    again and again, as NumPy does, and a single pixel is repeated.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to (B, C, *(size + 2 * width))."""
        sizes = x.shape[2:]
        # while a graph with dynamic sizes is recorded these are symbols, and every size must be served
        if all(isinstance(size, int) and size > self.width for size in sizes):
            return F.pad(x, [self.width] * 2 * len(sizes), mode="reflect")
        for axis, size in enumerate(sizes, start=2):
            index = torch.arange(-self.width, size + self.width, device=x.device)
            period = (2 * (index[-1] - self.width)).clamp(min=1)  # there and back again
            folded = index.remainder(period)
            x = x.index_select(axis, torch.minimum(folded, period - folded))
        return x
