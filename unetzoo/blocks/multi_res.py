"""The MultiRes block and the widths it comes in."""

from itertools import count, pairwise

import torch
from torch import Tensor, nn

from unetzoo.levels import Level
from unetzoo.nd import Norm, activation, conv_unit, norm, upsample

__all__ = ["MultiRes", "multi_res_up", "plain_width"]


class MultiRes(nn.Module):
    """Three 3x3 convolutions in a chain, all of whose outputs are kept, beside a 1x1 shortcut.

    ``relu(norm(norm([a, b, c]) + shortcut(x)))``: b has the view of a 5x5 convolution, c that of a 7x7 one.
    Ibtehaz & Rahman 2020, "MultiResUNet", arXiv:1902.04049. Their widths are about 1 : 2 : 3.

    Args:
        c_out: Of all three together; 51, 105, 212, 426, 853 are the paper's for a U-Net's 32, 64 ... 512.
        bias: Bias of the convolutions; ``None`` only where no norm follows.
    """

    def __init__(
        self, ndim: int, c_in: int, c_out: int, *, norm_name: Norm | None = "batch", bias: bool | None = None
    ) -> None:
        super().__init__()
        first, second = c_out // 6, round(c_out / 3)
        if first < 1:
            raise ValueError(
                f"a MultiRes block of {c_out} channels has none for its first convolution; give 6+"
            )
        widths = [c_in, first, second, c_out - first - second]
        self.chain = nn.ModuleList(
            nn.Sequential(*conv_unit(ndim, a, b, norm_name=norm_name, bias=bias)) for a, b in pairwise(widths)
        )
        self.shortcut = nn.Sequential(
            *conv_unit(ndim, c_in, c_out, 1, norm_name=norm_name, activation_name=None, bias=bias)
        )
        self.norm_chain, self.norm_sum = norm(norm_name, ndim, c_out), norm(norm_name, ndim, c_out)
        self.act = activation("relu")

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, *size) to (B, c_out, *size)."""
        kept, y = [], x
        for unit in self.chain:
            y = unit(y)
            kept.append(y)
        out: Tensor = self.act(self.norm_sum(self.norm_chain(torch.cat(kept, 1)) + self.shortcut(x)))
        return out


def plain_width(channels: int) -> int:
    """The U-Net's width W that a MultiRes block of so many channels stands for: 51 is 32.

    The block's three widths are 1.67 W times 0.167, 0.333 and 0.5, each rounded down.
    """
    return next(w for w in count(1) if sum(int(1.67 * w * part) for part in (0.167, 0.333, 0.5)) >= channels)


def multi_res_up(coarse: Level, fine: Level) -> tuple[nn.Module, int]:
    """Transposed convolution to the plain width of a MultiRes row; for ``ConvDecoder.up``."""
    return upsample("transposed", coarse, Level(plain_width(fine.channels), fine.stride))
