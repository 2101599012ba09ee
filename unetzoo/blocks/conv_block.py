"""The U-Net's convolution block."""

from itertools import pairwise

from torch import nn

from unetzoo.nd import Activation, Norm, conv_unit

__all__ = ["conv_block"]


def conv_block(
    ndim: int,
    c_in: int,
    c_out: int,
    *,
    convs: int = 2,
    norm: Norm | None = "batch",
    activation: Activation = "relu",
    bias: bool | None = None,
    dropout: float = 0.0,
    inner: float = 1.0,
) -> nn.Sequential:
    """``convs`` times 3x3 convolution, norm, activation (Ronneberger et al. 2015, arXiv:1505.04597).

    Args:
        convs: Number of convolutions; 0 is the identity and needs ``c_in == c_out``.
        bias: Bias of the convolutions; ``None`` only where no norm follows.
        dropout: Probability of zeroing a channel after each activation.
        inner: Width of all convolutions but the last, as a fraction of ``c_out``.
    """
    if convs == 0 and c_in != c_out:
        raise ValueError(
            f"a block without convolutions cannot turn {c_in} channels into {c_out}; set convs to 1 or more"
        )
    layers: list[nn.Module] = []
    widths = [c_in, *[int(c_out * inner)] * (convs - 1), c_out]
    for a, b in pairwise(widths[: convs + 1]):
        layers += conv_unit(ndim, a, b, norm_name=norm, activation_name=activation, bias=bias)
        if dropout:
            layers.append(nn.Dropout2d(dropout) if ndim == 2 else nn.Dropout3d(dropout))
    return nn.Sequential(*layers)
