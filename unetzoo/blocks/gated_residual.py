"""The gated residual block of gUNet."""

from math import sqrt
from typing import cast

from torch import Tensor, nn

from unetzoo.blocks.reflect_pad import ReflectPad
from unetzoo.nd import Norm, conv, norm

__all__ = ["GatedResidual"]


class GatedResidual(nn.Module):
    """``x + project(value(norm(x)) * gate(norm(x)))``, Song et al. 2022, "gUNet", arXiv:2209.11448.

    The value is a 1x1 and then a depthwise convolution with mirrored borders, the gate the sigmoid of a 1x1
    convolution alone, so all of the spatial mixing is depthwise. Where the width changes, a 3x3 convolution
    goes before (the stem of the paper).

    Args:
        size: Kernel of the depthwise convolution.
        network_depth: Blocks in the whole network; the initial weights shrink with its fourth root.
    """

    def __init__(
        self,
        ndim: int,
        c_in: int,
        c_out: int,
        *,
        size: int = 5,
        network_depth: int = 16,
        norm_name: Norm | None = "batch",
    ) -> None:
        super().__init__()
        self.enter = (
            nn.Identity()
            if c_in == c_out
            else nn.Sequential(ReflectPad(1), conv(ndim, c_in, c_out, 3, padding=0))
        )
        self.norm = norm(norm_name, ndim, c_out)
        self.value = nn.Sequential(
            conv(ndim, c_out, c_out),
            ReflectPad(size // 2),
            conv(ndim, c_out, c_out, size, padding=0, groups=c_out),
        )
        self.gate = nn.Sequential(conv(ndim, c_out, c_out), nn.Sigmoid())
        self.project = conv(ndim, c_out, c_out)
        for module in (self.value[0], self.value[2], self.gate[0], self.project):
            weight = cast(Tensor, module.weight)
            # the authors' scale counts a depthwise kernel's fan-out as if every channel fed every other
            fans = (weight.shape[0] + weight.shape[1]) * weight[0, 0].numel()
            nn.init.trunc_normal_(weight, std=(8 * network_depth) ** -0.25 * sqrt(2 / fans))
            nn.init.zeros_(cast(Tensor, module.bias))

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, *size) to (B, c_out, *size)."""
        x = self.enter(x)
        y = self.norm(x)
        out: Tensor = x + self.project(self.value(y) * self.gate(y))
        return out
