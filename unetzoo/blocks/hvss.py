"""A selective scan of the whole map beside a convolution of every neighbourhood."""

from collections.abc import Callable
from typing import Any, Literal

from timm.layers.drop import DropPath
from torch import Tensor, nn

from unetzoo.blocks.eca import EfficientChannelAttention
from unetzoo.blocks.project import project
from unetzoo.blocks.scan_orders import Scan
from unetzoo.blocks.squeeze_excite import SqueezeExcite
from unetzoo.blocks.ss2d import SS2D
from unetzoo.nd import conv, conv_unit, norm

__all__ = ["HVSS", "hvss"]

ChannelAttention = Literal["none", "se", "eca"]
_ATTENTIONS: dict[str, Callable[[int, int], nn.Module]] = {
    "none": lambda ndim, channels: nn.Identity(),
    "se": SqueezeExcite,
    "eca": EfficientChannelAttention,
}


class HVSS(nn.Module):
    """Scan the map and convolve its neighbourhoods: ``x + attention(scan(norm(x))) + local(norm(x))``.

    The block of CVMH-UNet (Cao et al. 2025, arXiv:2410.05624; CVSS in its preprint), of which the paper names
    the two branches, the channel attention and the shortcut. Layers and widths are ours: the local branch is
    a depthwise 3x3 convolution with batch norm and SiLU and a 1x1 convolution. The arguments are the columns
    of the paper's ablation.

    Args:
        scan: cs2d (the paper's) | ss2d | cascade | bidirectional, see `ScannedMap`.
        local: Whether there is a local branch.
        channel_attention: eca | se | none, behind the scan.
        drop_path: Probability of leaving both branches out for an image, in training.
        options: The other arguments of `SS2D`.

    Raises:
        ValueError: If the channel attention is unknown.
    """

    def __init__(
        self,
        ndim: int,
        channels: int,
        *,
        scan: Scan = "cs2d",
        local: bool = True,
        channel_attention: ChannelAttention = "eca",
        drop_path: float = 0.0,
        **options: Any,
    ) -> None:
        super().__init__()
        if channel_attention not in _ATTENTIONS:
            raise ValueError(f"channel_attention {channel_attention!r} is unknown; choose eca, se or none")
        self.norm = norm("layer", ndim, channels)
        self.scan = nn.Sequential(
            SS2D(ndim, channels, scan=scan, **options), _ATTENTIONS[channel_attention](ndim, channels)
        )
        self.local = None
        if local:
            self.local = nn.Sequential(
                *conv_unit(ndim, channels, channels, groups=channels, activation_name="silu"),
                conv(ndim, channels, channels),
            )
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same."""
        normed = self.norm(x)
        branches = self.scan(normed)
        if self.local is not None:
            branches = branches + self.local(normed)
        out: Tensor = x + self.drop_path(branches)
        return out


def hvss(ndim: int, c_in: int, c_out: int, **options: Any) -> nn.Module:
    """`HVSS`, behind a 1x1 convolution where the width changes; a block of encoders and decoders."""
    block = HVSS(ndim, c_out, **options)
    return block if c_in == c_out else nn.Sequential(project(ndim, c_in, c_out), block)
