"""The W-Net's module."""

from itertools import pairwise
from typing import Literal

from torch import nn

from unetzoo.nd import conv, norm

__all__ = ["separable_block"]


def separable_block(
    ndim: int,
    c_in: int,
    c_out: int,
    *,
    convs: int = 2,
    depthwise: bool = True,
    plain_up_to: int = 64,
    activation: Literal["relu", "prelu"] = "relu",
    dropout: float = 0.0,
) -> nn.Sequential:
    """``convs`` times 1x1 convolution, depthwise 3x3, activation, batch norm.

    Xia & Kulis 2017, "W-Net", arXiv:1711.08506, section 3.1; all convolutions have a bias, as in public code.

    Args:
        depthwise: Whether the 3x3 convolution sees one channel at a time, or all of them (as in the 3D
            attention W-Net).
        plain_up_to: Widest row that has one plain 3x3 convolution instead of the two; the paper's first and
            last module. 0 separates all.
        activation: relu | prelu (one slope per channel).
        dropout: Probability of zeroing a channel after each norm.
    """
    layers: list[nn.Module] = []
    for a, b in pairwise([c_in, *[c_out] * convs]):
        if c_out <= plain_up_to:
            layers.append(conv(ndim, a, b, 3))
        else:
            layers += [conv(ndim, a, b), conv(ndim, b, b, 3, groups=b if depthwise else 1)]
        layers += [nn.PReLU(b) if activation == "prelu" else nn.ReLU(inplace=True), norm("batch", ndim, b)]
        if dropout:
            layers.append(nn.Dropout2d(dropout) if ndim == 2 else nn.Dropout3d(dropout))
    return nn.Sequential(*layers)
