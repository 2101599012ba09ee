"""The U-Net's decoder."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

from torch import Tensor, nn

from unetzoo.blocks import Block, Context, conv_block, ramp_drop_path, stage
from unetzoo.blocks.project import project
from unetzoo.decoders.base import Decoder, MergeRule
from unetzoo.levels import Gate, Level
from unetzoo.nd import Activation, Norm, Upsample, upsample
from unetzoo.recompute import recomputed

__all__ = ["ConvDecoder"]

Upsampling = Callable[[Level, Level], tuple[nn.Module, int]]


class ConvDecoder(Decoder):
    """Upsample, merge, convolve, row by row (Ronneberger et al. 2015, arXiv:1505.04597).

    With ``up=nearest`` and ``channels=[16, 32, 64, 128, 256]`` it is the decoder of
    segmentation_models.pytorch, but for the order of the concatenation, [skip, gate] here.

    Args:
        encoder: Rows of the encoder, finest first, bottleneck last.
        channels: Width at stride 1, 2, 4 ...; as many are used as there are rows. Rows finer than the
            encoder's finest are decoded too, without a skip, so that the output has the image's resolution.
            ``None`` takes the encoder's own width in each row and stops at its finest row; the head then
            resizes the logits. A single number is the width of every row.
        finer: Decode rows finer than the encoder's finest too; without them ``channels`` starts at the
            encoder's finest row.
        context: Builds what the bottleneck goes through first (`ASPP`); ``None`` leaves it as it is.
        up: nearest | linear (both keep the coarse row's channels) | transposed (delivers the fine row's), or
            a callable from two levels to a module and its channels.
        convs: Convolutions per block.
        block: Builds a block from (ndim, channels in, channels out) instead of the U-Net's, which ``convs``,
            ``norm``, ``activation``, ``bias`` and ``dropout`` are about.
        blocks: Blocks at stride 1, 2, 4 ..., as ``channels``; ``None`` is one each.
        then: Builds a row's blocks after the first; ``None`` is ``block``.
        drop_path: Greatest rate of the blocks' stochastic depth, in the coarsest row, falling evenly to 0 in
            the finest; ``None`` leaves them as they are.
        merge_last: Merge what leaves the blocks of a row, not what enters them, and bring the merge to the
            row's width (VM-UNet).
        recompute: Compute the blocks' activations again in the backward pass instead of keeping them.
        hand_on: Hand the bottleneck on as the coarsest row, so that deep supervision sees it.
    """

    def __init__(
        self,
        encoder: Sequence[Level],
        *,
        channels: Sequence[int] | int | None = None,
        finer: bool = True,
        context: Callable[[Level], Context] | None = None,
        up: Upsample | Upsampling = "nearest",
        convs: int = 2,
        norm: Norm | None = "batch",
        activation: Activation = "relu",
        bias: bool | None = None,
        dropout: float = 0.0,
        block: Block | None = None,
        blocks: Sequence[int] | None = None,
        then: Block | None = None,
        drop_path: float | None = None,
        merge_last: bool = False,
        recompute: bool = False,
        hand_on: bool = False,
    ) -> None:
        super().__init__()
        self.recompute, self.drop_path, self.merge_last = recompute, drop_path, merge_last
        *rows, bottleneck = encoder
        self.context: nn.Module = nn.Identity()
        if context is not None:
            self.context = made = context(bottleneck)
            bottleneck = Level(made.channels, bottleneck.stride)
        if channels is None:
            self.levels = list(rows)
        else:
            strides = [*(_finer(rows[0].stride) if finer else ()), *(row.stride for row in rows)]
            if isinstance(channels, int):
                channels = [channels] * len(strides)
            if len(channels) < len(strides):
                raise ValueError(
                    f"decoder.channels lists {len(channels)} widths ({list(channels)}) but this encoder "
                    f"needs {len(strides)}, one per stride {[max(s) for s in strides]}; add widths"
                )
            self.levels = [Level(c, s) for c, s in zip(channels, strides, strict=False)]
        self.skipless = len(self.levels) - len(rows)
        self.ups, self.brought = nn.ModuleList(), list[int]()
        for fine, coarse in pairwise([*self.levels, bottleneck]):
            module, width = upsample(up, coarse, fine) if isinstance(up, str) else up(coarse, fine)
            self.ups.append(module)
            self.brought.append(width)
        coarser = [*self.levels, bottleneck][self.skipless + 1 :]
        met = [level.channels for level in self.levels] if merge_last else self.brought
        self.gates = [
            Gate(width, row.stride, coarse)
            for width, row, coarse in zip(met[self.skipless :], rows, coarser, strict=True)
        ]
        self.block = block or partial(
            conv_block, convs=convs, norm=norm, activation=activation, bias=bias, dropout=dropout
        )
        self.counts = [1] * len(self.levels) if blocks is None else list(blocks)
        if len(self.counts) < len(self.levels):
            raise ValueError(
                f"decoder.blocks lists {len(self.counts)} numbers ({self.counts}) but this decoder has "
                f"{len(self.levels)} rows; add numbers"
            )
        self.then, self.hand_on = then, hand_on
        if hand_on:
            self.levels.append(bottleneck)

    def build(self, merged: Sequence[int]) -> None:
        """Make the blocks."""
        widths = self.brought if self.merge_last else [*self.brought[: self.skipless], *merged]
        self.projections = nn.ModuleList(
            project(len(level.stride), width, level.channels)
            for width, level in zip(
                merged if self.merge_last else (), self.levels[self.skipless :], strict=False
            )
        )
        self.blocks = nn.ModuleList(
            stage(self.block, len(level.stride), width, level.channels, count, then=self.then)
            for width, level, count in zip(widths, self.levels, self.counts, strict=False)
        )
        if self.drop_path is not None:
            ramp_drop_path(self.blocks, self.drop_path)

    def forward(self, skips: list[Tensor], merge: MergeRule) -> list[Tensor]:
        """One output per row, coarsest first; the bottleneck is left out unless it is handed on."""
        x = self.context(skips[-1])
        decoded = [x] if self.hand_on else []
        for row in reversed(range(len(self.ups))):
            gate = self.ups[row](x)
            level = row - self.skipless
            if level < 0:
                x = self.convolve(row, gate)
            elif self.merge_last:
                x = self.projections[level](merge(level, skips[level], self.convolve(row, gate), x))
            else:
                x = self.convolve(row, merge(level, skips[level], gate, x))
            decoded.append(x)
        return decoded

    def convolve(self, row: int, x: Tensor) -> Tensor:
        """(B, C, *size) through the blocks of a row, (B, C_row, *size)."""
        block = self.blocks[row]
        again = self.recompute and self.training
        out: Tensor = recomputed(block, x, of=block) if again else block(x)
        return out


def _finer(stride: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Strides from 1 up to, not including, ``stride``, doubling."""
    finer: list[tuple[int, ...]] = []
    while max(stride) > 1:
        stride = tuple(max(1, s // 2) for s in stride)
        finer.insert(0, stride)
    return finer
