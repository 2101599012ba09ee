"""HarDNet's block: dense links thinned out to powers of two."""

import torch
from torch import Tensor, nn

from unetzoo.nd import Activation, conv_unit

__all__ = ["HarDBlock", "hard_links", "hard_width"]


def hard_links(layer: int) -> list[int]:
    """Layers that feed ``layer``, nearest first: ``layer - 2^j`` for every power dividing it; 0 is the input.

    >>> hard_links(8)
    [7, 6, 4, 0]
    """
    return [layer - (1 << j) for j in range(layer.bit_length()) if layer % (1 << j) == 0]


def hard_width(layer: int, growth: int, multiplier: float) -> int:
    """Channels of a layer: ``growth * multiplier^t``, 2^t the largest power dividing it, rounded to even."""
    power = len(hard_links(layer)) - 1
    return 2 * (int(growth * multiplier**power + 1) // 2)


class HarDBlock(nn.Module):
    """Harmonically linked layers (Chao et al. 2019, "HarDNet", arXiv:1909.00948, section 3.1).

    Layer l sees the concatenation of `hard_links`, so that a layer with more links is seen by more, and is
    wider. The odd layers and the last one are put out; the input is not.

    Args:
        growth: Width of the odd layers, the paper's k.
        multiplier: The paper's m.
        layers: The paper's L.
        depthwise: Make each layer of a 1x1 and a depthwise 3x3 convolution, the latter without activation.

    Attributes:
        channels: Width of the output.
    """

    def __init__(
        self,
        ndim: int,
        c_in: int,
        *,
        growth: int,
        multiplier: float = 1.7,
        layers: int,
        depthwise: bool = False,
        activation: Activation = "relu",
    ) -> None:
        super().__init__()
        widths = [c_in, *(hard_width(i, growth, multiplier) for i in range(1, layers + 1))]
        self.channels = self.width(growth=growth, multiplier=multiplier, layers=layers)
        self.links = [hard_links(i) for i in range(1, layers + 1)]
        self.kept = [i for i in range(1, layers + 1) if i % 2 or i == layers]
        self.layers = nn.ModuleList(
            hard_unit(
                ndim,
                sum(widths[i] for i in links),
                width,
                depthwise=depthwise,
                activation=activation,
            )
            for links, width in zip(self.links, widths[1:], strict=True)
        )

    @staticmethod
    def width(*, growth: int, multiplier: float, layers: int) -> int:
        """Channels of a block's output, whatever its input."""
        kept = (i for i in range(1, layers + 1) if i % 2 or i == layers)
        return sum(hard_width(i, growth, multiplier) for i in kept)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, *size) to (B, channels, *size)."""
        found = [x]
        for links, layer in zip(self.links, self.layers, strict=True):
            found.append(layer(torch.cat([found[i] for i in links], 1)))
        return torch.cat([found[i] for i in self.kept], 1)


def hard_unit(ndim: int, c_in: int, c_out: int, *, depthwise: bool, activation: Activation) -> nn.Sequential:
    """3x3 convolution, norm, activation; or a 1x1 of them and a depthwise 3x3 without activation."""
    if not depthwise:
        return nn.Sequential(*conv_unit(ndim, c_in, c_out, activation_name=activation))
    return nn.Sequential(
        *conv_unit(ndim, c_in, c_out, 1, activation_name=activation),
        *conv_unit(ndim, c_out, c_out, activation_name=None, groups=c_out),
    )
