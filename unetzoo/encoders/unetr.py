"""A vision transformer whose layers become rows."""

from collections.abc import Sequence

import torch
from timm.models.vision_transformer import Block as TransformerBlock
from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo.blocks import Block, token_init
from unetzoo.encoders.base import Encoder
from unetzoo.levels import Level
from unetzoo.nd import conv, norm, upsample

__all__ = ["UNETREncoder"]


class UNETREncoder(Encoder):
    """One transformer on coarse patches, whose layers are unfolded into ever finer rows.

    Hatamizadeh et al. 2022, "UNETR", arXiv:2103.10504, sec. 3.1: the sooner a layer, the finer its row, made
    of transposed convolutions by 2, each but the first with a block behind it. The finest row is the image's
    own. Positions are learned for ``grid`` and interpolated to others.

    Args:
        channels: Width per row but the bottleneck, finest first; patches are ``2 ** len(channels)`` wide.
        hidden: Channels of a token, the bottleneck's width.
        layers: Of the transformer.
        read: Layers after which rows are taken, finest first, from the second row to the one before the
            bottleneck.
        heads: Of every layer.
        mlp_ratio: Inner width of a layer, in units of ``hidden``.
        grid: Patches per axis that positions are learned for, ``ndim`` numbers.
        block: Builds a block from (ndim, channels in, channels out).

    Raises:
        ValueError: If ``read`` does not name one layer per row in between.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        block: Block,
        ndim: int = 3,
        channels: Sequence[int] = (16, 32, 64, 128),
        hidden: int = 768,
        layers: int = 12,
        read: Sequence[int] = (4, 7, 10),
        heads: int = 12,
        mlp_ratio: float = 4.0,
        grid: Sequence[int] = (6, 6, 6),
    ) -> None:
        super().__init__()
        if len(read) != len(channels) - 1 or len(grid) != ndim or not all(0 < k <= layers for k in read):
            raise ValueError(
                f"encoder.read={list(read)} must name one of {layers} layers for each of {len(channels) - 1} "
                f"rows and encoder.grid={list(grid)} one size for each of {ndim} axes"
            )
        self.read = list(read)
        self.levels = [Level(c, (2**row,) * ndim) for row, c in enumerate([*channels, hidden])]
        patch = self.levels[-1].stride
        self.embed = conv(ndim, in_channels, hidden, patch, stride=patch)
        self.positions = nn.Parameter(nn.init.trunc_normal_(torch.empty(1, hidden, *grid), std=0.02))
        self.positions.no_weight_decay = True  # type: ignore[attr-defined]
        self.mode = "bilinear" if ndim == 2 else "trilinear"
        self.layers = nn.ModuleList(
            token_init(TransformerBlock(hidden, heads, mlp_ratio)) for _ in range(layers)
        )
        self.norm = norm("layer", ndim, hidden)
        self.image = block(ndim, in_channels, channels[0])
        self.rows = nn.ModuleList(_unfold(block, self.levels[-1], row) for row in self.levels[1:-1])

    def forward(self, x: Tensor) -> list[Tensor]:
        """One feature map per row."""
        patches = self.embed(x)
        sizes = patches.shape[2:]
        positions = F.interpolate(self.positions, size=sizes, mode=self.mode, align_corners=False)
        tokens = (patches + positions).flatten(2).transpose(1, 2)
        after = []
        for layer in self.layers:
            tokens = layer(tokens)
            after.append(tokens)
        maps = [torch.unflatten(after[k - 1].transpose(1, 2), 2, sizes) for k in (*self.read, len(after))]
        rows = [row(taken) for row, taken in zip(self.rows, maps[:-1], strict=True)]
        return [self.image(x), *rows, self.norm(maps[-1])]


def _unfold(block: Block, coarse: Level, fine: Level) -> nn.Sequential:
    """Transposed convolutions by 2 from a coarse row to a fine one, a block behind each but the first."""
    ndim, width, steps = len(fine.stride), fine.channels, list[nn.Module]()
    while coarse.stride != fine.stride:
        finer = Level(width, tuple(s // 2 for s in coarse.stride))
        steps.append(upsample("transposed", coarse, finer)[0])
        if len(steps) > 1:
            steps.append(block(ndim, width, width))
        coarse = finer
    return nn.Sequential(*steps)
