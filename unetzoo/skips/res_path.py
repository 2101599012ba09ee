"""The residual paths of MultiResUNet."""

from collections.abc import Sequence

from torch import Tensor, nn

from unetzoo.levels import Gate, Level
from unetzoo.nd import Norm, activation, conv_unit, norm
from unetzoo.skips.base import SkipPathway

__all__ = ["ResPath"]


class ResPath(SkipPathway):
    """Take each skip through residual units, the more the shallower it is.

    Encoder features of the finest row have seen two convolutions when they meet decoder features that have
    seen the whole network; the units close that gap. Ibtehaz & Rahman 2020, "MultiResUNet", arXiv:1902.04049.
    A unit is ``relu(norm(conv3x3(x) + conv1x1(x)))``, each convolution with a norm of its own and the
    first with an activation.

    Args:
        lengths: Units per row, finest first; ``None`` is 1 for the coarsest row and one more for each finer.
        channels: Width of each skip; ``None`` is the encoder's.
        bias: Bias of the convolutions; ``None`` only where no norm follows.
    """

    def __init__(
        self,
        encoder: Sequence[Level],
        decoder: Sequence[Gate],
        *,
        lengths: Sequence[int] | None = None,
        channels: Sequence[int] | None = None,
        norm: Norm | None = "batch",
        bias: bool | None = None,
    ) -> None:
        *rows, bottleneck = encoder
        counts = list(range(len(rows), 0, -1)) if lengths is None else list(lengths)
        widths = [row.channels for row in rows] if channels is None else list(channels)
        if len(counts) != len(rows) or len(widths) != len(rows) or min(counts) < 1:
            raise ValueError(
                f"skip.lengths {counts} and skip.channels {widths} must give one number, 1 or more, for each "
                f"of {len(rows)} rows"
            )
        levels = [*(Level(w, row.stride) for w, row in zip(widths, rows, strict=True)), bottleneck]
        super().__init__(encoder, decoder, levels=levels)
        self.paths = nn.ModuleList(
            nn.Sequential(
                *(
                    _Unit(len(row.stride), width if k else row.channels, width, norm_name=norm, bias=bias)
                    for k in range(count)
                )
            )
            for row, width, count in zip(rows, widths, counts, strict=True)
        )

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """(B, C_i, *size_i) per row to (B, channels_i, *size_i); the bottleneck unchanged."""
        return [*(path(f) for path, f in zip(self.paths, features, strict=False)), features[-1]]


class _Unit(nn.Module):
    def __init__(
        self, ndim: int, c_in: int, c_out: int, *, norm_name: Norm | None, bias: bool | None
    ) -> None:
        super().__init__()
        self.conv = nn.Sequential(*conv_unit(ndim, c_in, c_out, norm_name=norm_name, bias=bias))
        self.shortcut = nn.Sequential(
            *conv_unit(ndim, c_in, c_out, 1, norm_name=norm_name, activation_name=None, bias=bias)
        )
        self.norm, self.act = norm(norm_name, ndim, c_out), activation("relu")

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.act(self.norm(self.conv(x) + self.shortcut(x)))
        return out
