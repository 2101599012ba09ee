"""FC-DenseNet's way up."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from unetzoo.blocks.dense_block import DenseBlock
from unetzoo.decoders.base import Decoder, MergeRule
from unetzoo.levels import Gate, Level, ratio

__all__ = ["FCDenseDecoder"]


class FCDenseDecoder(Decoder):
    """Dense blocks that hand up their new features alone (Jegou et al. 2017, arXiv:1611.09326, section 3.2).

    Without this the stack would grow on the way up too. What is merged is each block's input, which only the
    finest row hands on as well, to the head. It ends at the encoder's finest row.

    Args:
        growth: New channels per layer, the paper's k.
        layers: Layers per row, finest first; as many are used as there are rows.
        dropout: Probability of zeroing a channel of a layer's output.

    Raises:
        ValueError: If ``layers`` has fewer numbers than there are rows.
    """

    def __init__(
        self,
        encoder: Sequence[Level],
        *,
        growth: int = 16,
        layers: Sequence[int] = (4, 5, 7, 10, 12),
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        *rows, bottleneck = encoder
        if len(layers) < len(rows):
            raise ValueError(
                f"decoder.layers {list(layers)} needs {len(rows)} numbers, one per row above the bottleneck; "
                "add numbers"
            )
        self.options = {"growth": growth, "bias": True, "dropout": dropout}
        self.counts = list(layers[: len(rows)])
        # the finest row's width needs the merged width, which `build` is told
        self.levels = [Level(n * growth, row.stride) for n, row in zip(self.counts, rows, strict=True)]
        self.ups, self.gates = nn.ModuleList(), []
        for fine, coarse in pairwise([*self.levels, bottleneck]):
            factor = ratio(coarse.stride, fine.stride)
            transposed: type[nn.Module] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}[len(factor)]
            # a kernel one wider than the stride, and what it has too much cut off at the far end
            kernel = tuple(f + 1 for f in factor)
            self.ups.append(transposed(coarse.channels, coarse.channels, kernel, stride=factor))
            self.gates.append(Gate(coarse.channels, fine.stride, coarse))

    def build(self, merged: Sequence[int]) -> None:
        """Make the blocks."""
        ndim = len(self.levels[0].stride)
        self.blocks = nn.ModuleList(
            DenseBlock(ndim, width, layers=count, **self.options)  # type: ignore[arg-type]
            for width, count in zip(merged, self.counts, strict=True)
        )
        finest = self.levels[0]
        self.levels[0] = Level(merged[0] + finest.channels, finest.stride)

    def forward(self, skips: list[Tensor], merge: MergeRule) -> list[Tensor]:
        """One output per row, coarsest first, the bottleneck left out."""
        decoded, x = [], skips[-1]
        for row in reversed(range(len(self.counts))):
            up = self.ups[row](x)
            for axis in range(2, up.dim()):
                up = up.narrow(axis, 0, skips[row].shape[axis])
            stack = merge(row, skips[row], up, x)
            x = self.blocks[row](stack)
            decoded.append(x)
        decoded[-1] = torch.cat([stack, x], 1)
        return decoded
