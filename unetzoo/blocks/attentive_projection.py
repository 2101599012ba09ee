"""A change of width that attends first."""

from torch import nn

from unetzoo.blocks.cbam import CBAM
from unetzoo.nd import Norm, conv_unit

__all__ = ["attentive_projection"]


def attentive_projection(
    ndim: int, c_in: int, c_out: int, *, reduction: int = 16, norm: Norm | None = "batch"
) -> nn.Sequential:
    """CBAM, then a 1x1 convolution and a norm, without activation; what U-Net v2 does to encoder rows."""
    change = conv_unit(ndim, c_in, c_out, 1, norm_name=norm, activation_name=None)
    return nn.Sequential(CBAM(ndim, c_in, reduction=reduction), *change)
