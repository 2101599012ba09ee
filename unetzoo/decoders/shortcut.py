"""A decoder whose rows are residual to what comes up, not to the skip."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo.blocks.shortcut_block import ShortcutBlock
from unetzoo.decoders.base import MergeRule
from unetzoo.decoders.conv import ConvDecoder
from unetzoo.levels import Level, ratio
from unetzoo.nd import Resize

__all__ = ["ShortcutDecoder"]


class ShortcutDecoder(ConvDecoder):
    """``d[i] = block(merge(skip, up(d[i+1]))) + conv(up(d[i+1]))``, of the encoder's widths.

    SineNet's way up (Zhang et al. 2024, arXiv:2403.19507).

    Args:
        encoder: Rows of the encoder, finest first, bottleneck last.
        up: cubic (the paper's; linear in 3D) | linear (faster in most runtimes).
    """

    def __init__(self, encoder: Sequence[Level], *, up: Literal["cubic", "linear"] = "cubic") -> None:
        if up not in ("cubic", "linear"):
            raise ValueError(f"upsample {up!r} is unknown; choose cubic or linear")
        cubic = up == "cubic" and len(encoder[0].stride) == 2
        super().__init__(encoder, up=_cubic_up if cubic else "linear")

    def build(self, merged: Sequence[int]) -> None:
        """Make the blocks."""
        self.blocks = nn.ModuleList(
            ShortcutBlock(len(row.stride), width, gate.channels, row.channels)
            for width, gate, row in zip(merged, self.gates, self.levels, strict=True)
        )

    def forward(self, skips: list[Tensor], merge: MergeRule) -> list[Tensor]:
        """One output per row, coarsest first, the bottleneck left out."""
        decoded, x = [], skips[-1]
        for row in reversed(range(len(self.ups))):
            gate = self.ups[row](x)
            x = self.blocks[row](merge(row, skips[row], gate, x), gate)
            decoded.append(x)
        return decoded


class _CubicResize(Resize):
    """Bicubic interpolation by a constant factor."""

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=list(self.factor), mode="bicubic", align_corners=False)


def _cubic_up(coarse: Level, fine: Level) -> tuple[nn.Module, int]:
    return _CubicResize(ratio(coarse.stride, fine.stride)), coarse.channels
