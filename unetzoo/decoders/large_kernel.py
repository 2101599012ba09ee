"""A decoder of large depthwise kernels."""

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import Tensor, nn

from unetzoo.blocks import Context, SpatialAttention, SqueezeExcite
from unetzoo.decoders.base import Decoder, MergeRule
from unetzoo.levels import Gate, Level, ratio
from unetzoo.nd import conv, conv_unit, norm, resize

__all__ = ["LargeKernelDecoder"]


class LargeKernelDecoder(Decoder):
    """Convolve with a large depthwise kernel, enlarge, merge, row by row; the last merge is attended to.

    The decoder of "MACMD" (2025), of the encoder's widths: ``d[i] = up(1x1(9x9(1x1(merge(i + 1)))))`` with
    norms, the finest merge through a 1x1 convolution, channel and spatial attention and a 1x1 convolution,
    and enlarged once more where the encoder's finest row is coarser than the image. Its rows are the output
    and the d[i], but for the coarsest: that is where the authors' heads sit.

    Args:
        encoder: Rows of the encoder, finest first, bottleneck last.
        context: Builds what the bottleneck goes through first; ``None`` leaves it as it is.
        size: Kernel of the depthwise convolutions.
        reduction: Of the channel attention.
    """

    def __init__(
        self,
        encoder: Sequence[Level],
        *,
        context: Callable[[Level], Context] | None = None,
        size: int = 9,
        reduction: int = 16,
    ) -> None:
        super().__init__()
        *rows, bottleneck = encoder
        self.context: nn.Module = nn.Identity()
        if context is not None:
            self.context = made = context(bottleneck)
            bottleneck = Level(made.channels, bottleneck.stride)
        self.size, self.reduction, self.bottleneck = size, reduction, bottleneck
        width, stride = rows[0]
        output = Level(max(1, width // 2), tuple(max(1, s // 2) for s in stride))
        # what is brought to a row has its width before it is enlarged
        self.gates = [
            Gate(fine.channels, fine.stride, Level(fine.channels, coarse.stride))
            for fine, coarse in pairwise([*rows, bottleneck])
        ]
        self.ups = nn.ModuleList(
            resize(ratio(coarse.stride, fine.stride)) for fine, coarse in pairwise([*rows, bottleneck])
        )
        self.last_up = resize(ratio(stride, output.stride))
        self.levels = [output, *rows[:-1]]

    def build(self, merged: Sequence[int]) -> None:
        """Make the blocks."""
        ndim = len(self.bottleneck.stride)
        widths = [*merged[1:], self.bottleneck.channels]
        self.blocks = nn.ModuleList(
            _large_kernel(ndim, width, gate.channels, self.size)
            for width, gate in zip(widths, self.gates, strict=True)
        )
        fused = 2 * self.gates[0].channels
        self.fuse = nn.Sequential(
            *(conv(ndim, merged[0], fused, bias=False), norm("batch", ndim, fused)),
            SqueezeExcite(ndim, fused, reduction=self.reduction, bias=False),
            SpatialAttention(ndim),
            conv(ndim, fused, fused, bias=False),
        )
        self.last = _large_kernel(ndim, fused, self.levels[0].channels, self.size)

    def forward(self, skips: list[Tensor], merge: MergeRule) -> list[Tensor]:
        """What was brought to each row but the deepest, coarsest first, and the output."""
        brought, x = [], self.context(skips[-1])
        for row in reversed(range(len(self.ups))):
            coarse = self.blocks[row](x)
            gate = self.ups[row](coarse)
            brought.append(gate)
            x = merge(row, skips[row], gate, coarse)
        return [*brought[1:], self.last_up(self.last(self.fuse(x)))]


def _large_kernel(ndim: int, c_in: int, c_out: int, size: int) -> nn.Sequential:
    return nn.Sequential(
        *conv_unit(ndim, c_in, c_in, 1),
        *conv_unit(ndim, c_in, c_in, size, groups=c_in, activation_name="silu"),
        *conv_unit(ndim, c_in, c_out, 1),
    )
