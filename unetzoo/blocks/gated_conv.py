"""The gated convolutions of AGG-Net, and its ways down and up."""

from typing import cast

from torch import Tensor, nn

from unetzoo.levels import Level, ratio
from unetzoo.nd import Resize, conv, norm

__all__ = ["AttentionGatedConv", "GatedConv", "gated_down", "gated_up"]

_SLOPE = 0.2


class AttentionGatedConv(nn.Module):
    """``v * sigmoid(spread(relu(spread(mask(v)))))`` with v a 3x3 convolution, norm, leaky ReLU of x.

    The attention-guided gated convolution of Chen et al. 2023, "AGG-Net", arXiv:2309.01624, for one image:
    the paper's mask is a convolution of depth and colour, here of the features alone. There the attention's
    two layers connect every pixel with every other, which binds the network to one image size; here they are
    depthwise convolutions.

    Args:
        size: Kernel of the depthwise convolutions.
    """

    def __init__(self, ndim: int, c_in: int, c_out: int, *, size: int = 7) -> None:
        super().__init__()
        self.value = _unit(ndim, c_in, c_out)
        self.attention = nn.Sequential(
            _padded(ndim, c_out, c_out),
            conv(ndim, c_out, c_out, size, groups=c_out),
            nn.ReLU(inplace=True),
            conv(ndim, c_out, c_out, size, groups=c_out),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, *size) to (B, c_out, *size)."""
        v = self.value(x)
        out: Tensor = v * self.attention(v)
        return out


class GatedConv(nn.Module):
    """``v * sigmoid(norm(conv(x)))`` with v two 3x3 convolutions of x, each with norm and leaky ReLU.

    Of AGG-Net's decoder, arXiv:2309.01624, after Yu et al. 2019, arXiv:1806.03589.
    """

    def __init__(self, ndim: int, c_in: int, c_out: int) -> None:
        super().__init__()
        self.value = nn.Sequential(_unit(ndim, c_in, c_out), _unit(ndim, c_out, c_out))
        self.gate = nn.Sequential(_padded(ndim, c_in, c_out), norm("batch", ndim, c_out), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, *size) to (B, c_out, *size)."""
        out: Tensor = self.value(x) * self.gate(x)
        return out


def gated_down(fine: Level, coarse: Level) -> tuple[nn.Module, int]:
    """Strided 3x3 convolution, norm, leaky ReLU, before `AttentionGatedConv`; for ``ConvEncoder.down``."""
    step = ratio(coarse.stride, fine.stride)
    return _unit(len(step), fine.channels, coarse.channels, stride=step), coarse.channels


def gated_up(coarse: Level, fine: Level) -> tuple[nn.Module, int]:
    """Interpolation, norm, leaky ReLU, `GatedConv` to the fine row's channels; for ``ConvDecoder.up``."""
    factor = ratio(coarse.stride, fine.stride)
    ndim = len(factor)
    layers = [
        Resize(factor),
        norm("batch", ndim, coarse.channels),
        nn.LeakyReLU(_SLOPE, inplace=True),
        GatedConv(ndim, coarse.channels, fine.channels),
    ]
    return nn.Sequential(*layers), fine.channels


def _padded(ndim: int, c_in: int, c_out: int, stride: int | tuple[int, ...] = 1) -> nn.Sequential:
    """3x3 convolution of a map whose border is repeated."""
    pad: type[nn.Module] = {2: nn.ReplicationPad2d, 3: nn.ReplicationPad3d}[ndim]
    made = conv(ndim, c_in, c_out, 3, stride=stride, padding=0)
    nn.init.kaiming_normal_(cast(Tensor, made.weight), a=_SLOPE)
    return nn.Sequential(pad(1), made)


def _unit(ndim: int, c_in: int, c_out: int, stride: int | tuple[int, ...] = 1) -> nn.Sequential:
    unit = _padded(ndim, c_in, c_out, stride)
    return nn.Sequential(*unit, norm("batch", ndim, c_out), nn.LeakyReLU(_SLOPE, inplace=True))
