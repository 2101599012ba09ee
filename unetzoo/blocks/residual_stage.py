"""Blocks with a shortcut around all of them."""

from torch import Tensor, nn

from unetzoo.blocks.project import project
from unetzoo.blocks.stage import Block

__all__ = ["residual_stage"]


def residual_stage(ndim: int, c_in: int, c_out: int, *, block: Block, count: int = 2) -> nn.Sequential:
    """``x + blocks(x)``, behind a 1x1 convolution where the width changes; for ``ConvEncoder.bottleneck``.

    VM-UNet's innermost skip (arXiv:2402.02491) leads from what enters the encoder's last blocks to what
    leaves the decoder's first ones; in between there are only these blocks.

    Args:
        block: Builds a block from (ndim, channels in, channels out).
        count: Number of blocks.
    """
    blocks = (block(ndim, c_out, c_out) for _ in range(count))
    return nn.Sequential(project(ndim, c_in, c_out), _Around(*blocks))


class _Around(nn.Module):
    def __init__(self, *blocks: nn.Module) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.blocks(x)
        return out
