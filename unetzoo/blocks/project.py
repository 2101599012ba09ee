"""From one width to another."""

from torch import nn

from unetzoo.nd import conv

__all__ = ["project"]


def project(ndim: int, c_in: int, c_out: int) -> nn.Module:
    """A 1x1 convolution, or the identity where the widths agree."""
    return nn.Identity() if c_in == c_out else conv(ndim, c_in, c_out)
