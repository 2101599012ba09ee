"""Four groups of channels that look at four distances, and a gate over what they see."""

import torch
from torch import Tensor, nn

from unetzoo.blocks.external_attention import ExternalAttention
from unetzoo.nd import conv

__all__ = ["DilatedGatedAttention", "gated_external"]


class DilatedGatedAttention(nn.Module):
    """Dilated depthwise convolutions, then ``out(sigmoid(near(x)) * gelu(far(x))) + conv1x1(x)``.

    The DGA block of MALUNet (Ruan et al. 2022, arXiv:2211.01784, sec. 2.1): each dilation has a quarter of
    the channels; near, far and out are depthwise 3x3, 5x5 and 3x3 convolutions with norm and 1x1 convolution.

    Args:
        dilations: Of the groups of channels.
        groups: Of the norms.

    Raises:
        ValueError: If the channels cannot be split into as many groups as there are dilations.
    """

    def __init__(
        self,
        ndim: int,
        c_in: int,
        c_out: int,
        *,
        dilations: tuple[int, ...] = (7, 5, 2, 1),
        groups: int = 4,
    ) -> None:
        super().__init__()
        if c_in % len(dilations):
            raise ValueError(
                f"{c_in} channels cannot be split into {len(dilations)} groups of a dilation each"
            )
        part = c_in // len(dilations)
        self.parts = nn.ModuleList(conv(ndim, part, part, 3, groups=part, dilation=d) for d in dilations)
        self.join = nn.Sequential(nn.GroupNorm(groups, c_in), conv(ndim, c_in, c_in), nn.GELU())
        self.near = nn.Sequential(*_depthwise(ndim, c_in, c_in, 3, groups), nn.Sigmoid())
        self.far = nn.Sequential(*_depthwise(ndim, c_in, c_in, 5, groups), nn.GELU())
        self.out = nn.Sequential(*_depthwise(ndim, c_in, c_out, 3, groups), nn.GELU())
        self.shortcut = conv(ndim, c_in, c_out)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, *size) to (B, c_out, *size)."""
        parts = x.chunk(len(self.parts), 1)
        x = self.join(torch.cat([look(part) for look, part in zip(self.parts, parts, strict=True)], 1))
        out: Tensor = self.out(self.near(x) * self.far(x)) + self.shortcut(x)
        return out


def gated_external(ndim: int, c_in: int, c_out: int, *, attention_first: bool = True) -> nn.Sequential:
    """MALUNet's row: `ExternalAttention` and `DilatedGatedAttention`, the other way round on the way up."""
    gated = DilatedGatedAttention(ndim, c_in, c_out)
    if attention_first:
        return nn.Sequential(ExternalAttention(ndim, c_in), gated)
    return nn.Sequential(gated, ExternalAttention(ndim, c_out))


def _depthwise(ndim: int, c_in: int, c_out: int, size: int, groups: int) -> list[nn.Module]:
    look = conv(ndim, c_in, c_in, size, groups=c_in)
    return [look, nn.GroupNorm(groups, c_in), conv(ndim, c_in, c_out)]
