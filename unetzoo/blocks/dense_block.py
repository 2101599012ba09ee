"""DenseNet's block."""

import torch
from torch import Tensor, nn

from unetzoo.nd import activation, conv, norm

__all__ = ["DenseBlock", "dense_unit"]


class DenseBlock(nn.Module):
    """Layers that each see everything before them (Huang et al. 2017, "DenseNet", arXiv:1608.06993, eq. 2).

    A layer is norm, ReLU, 3x3 convolution and dropout, with a 1x1 convolution of the same kind before it if
    there is a bottleneck.

    Args:
        layers: Number of layers.
        growth: New channels per layer, the paper's k.
        bottleneck: Width of the 1x1 convolutions as a multiple of ``growth``; 0 has none.
        bias: Of the convolutions.
        dropout: Probability of zeroing a channel of a layer's output.

    Attributes:
        channels: Width of all layers' output together; the input comes before it if it is kept.
    """

    def __init__(
        self,
        ndim: int,
        c_in: int,
        *,
        layers: int,
        growth: int,
        bottleneck: int = 0,
        bias: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.channels = layers * growth
        self.layers = nn.ModuleList()
        for k in range(layers):
            width, units = c_in + k * growth, []
            if bottleneck:
                units += dense_unit(ndim, width, bottleneck * growth, 1, bias=bias)
                width = bottleneck * growth
            units += dense_unit(ndim, width, growth, 3, bias=bias)
            if dropout:
                units.append(nn.Dropout2d(dropout) if ndim == 2 else nn.Dropout3d(dropout))
            self.layers.append(nn.Sequential(*units))

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, *size) to the new features, (B, channels, *size), in the order they were made."""
        stack = [x]
        for layer in self.layers:
            stack.append(layer(torch.cat(stack, 1)))
        return torch.cat(stack[1:], 1)


def dense_unit(ndim: int, c_in: int, c_out: int, size: int, *, bias: bool = False) -> list[nn.Module]:
    """Batch norm, ReLU, convolution: the order of networks whose sum or stack is not normed itself."""
    layer = conv(ndim, c_in, c_out, size, bias=bias)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")  # type: ignore[arg-type]
    return [norm("batch", ndim, c_in), activation("relu"), layer]
