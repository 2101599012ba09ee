"""What follows the merge in Isensee's 3D U-Net."""

from torch import nn

from unetzoo.nd import Activation, Norm, conv_unit

__all__ = ["localisation_block"]


def localisation_block(
    ndim: int,
    c_in: int,
    c_out: int,
    *,
    norm: Norm | None = "instance",
    activation: Activation = "leaky_relu",
    bias: bool | None = True,
) -> nn.Sequential:
    """3x3, then 1x1 convolution, each with norm and activation (Isensee et al. 2017, arXiv:1802.10508)."""
    layers = [
        conv_unit(ndim, width, c_out, size, norm_name=norm, activation_name=activation, bias=bias)
        for width, size in ((c_in, 3), (c_out, 1))
    ]
    return nn.Sequential(*layers[0], *layers[1])
