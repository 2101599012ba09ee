"""The residual U-block: a small U-Net in place of a few convolutions."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo.nd import Activation, Norm, conv_unit, max_pool

__all__ = ["RSU", "rsu"]


class RSU(nn.Module):
    """``x' + U(x')``, a U-Net of one convolution per row around the block's own input projection x'.

    Qin et al. 2020, "U2-Net", arXiv:2005.09007, section 3.1 and fig. 2. Row k of the inner U is one
    convolution after one pooling; the deepest is not pooled but dilated. Pooling rounds up and the way back
    resizes to the row's own size, so any size is kept.

    Args:
        inner: Width of the inner U.
        pools: Factor per axis in front of each inner row but the first; all ones for none.
        dilations: Of the convolution of each inner row; the way back has its row's own.
        bias: Bias of the convolutions; the authors keep it in front of the norm too.
    """

    def __init__(
        self,
        ndim: int,
        c_in: int,
        c_out: int,
        *,
        inner: int,
        pools: Sequence[tuple[int, ...]],
        dilations: Sequence[int],
        norm: Norm | None = "batch",
        activation: Activation = "relu",
        bias: bool | None = True,
    ) -> None:
        super().__init__()
        if len(dilations) != len(pools) + 1 or not pools:
            raise ValueError(
                f"{len(dilations)} inner rows need {len(dilations) - 1} poolings, one at least, "
                f"got {len(pools)}"
            )

        def unit(a: int, b: int, dilation: int) -> nn.Sequential:
            return nn.Sequential(
                *conv_unit(
                    ndim, a, b, norm_name=norm, activation_name=activation, bias=bias, dilation=dilation
                )
            )

        *upper, _ = dilations
        self.project = unit(c_in, c_out, 1)
        self.pools = nn.ModuleList(
            nn.Identity() if max(pool) == 1 else max_pool(pool, ceil=True) for pool in pools
        )
        self.down = nn.ModuleList(unit(inner if k else c_out, inner, d) for k, d in enumerate(dilations))
        self.mode = "bilinear" if ndim == 2 else "trilinear"
        self.up = nn.ModuleList(unit(2 * inner, inner if k else c_out, d) for k, d in enumerate(upper))

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, *size) to (B, c_out, *size)."""
        x = self.project(x)
        rows: list[Tensor] = [self.down[0](x)]
        for pool, down in zip(self.pools, self.down[1:], strict=True):
            rows.append(down(pool(rows[-1])))
        deeper: Tensor = rows.pop()
        for pool, up in zip(reversed(self.pools), reversed(self.up), strict=True):
            row = rows.pop()
            if not isinstance(pool, nn.Identity):
                deeper = F.interpolate(deeper, size=row.shape[2:], mode=self.mode, align_corners=False)
            deeper = up(torch.cat([deeper, row], 1))
        return x + deeper


def rsu(
    kind: int | str,
    ndim: int,
    c_in: int,
    c_out: int,
    *,
    inner: int,
    factors: Sequence[tuple[int, ...]] = (),
    norm: Norm | None = "batch",
    activation: Activation = "relu",
    bias: bool | None = True,
) -> RSU:
    """The blocks of the paper by name: RSU-7, 6, 5 and 4, which pool, and RSU-4F, which only dilates.

    Args:
        kind: 7, 6, 5, 4 or 4F.
        factors: What the rows of the outer U below this one divide the size by. The poolings do the same,
            so that anisotropic volumes are pooled alike; the last, or 2, is repeated as often as needed.

    Raises:
        ValueError: If there is no such kind.
    """
    if kind == "4F":
        pools, dilations = [(1,) * ndim] * 3, [1, 2, 4, 8]
    elif str(kind) in ("4", "5", "6", "7"):
        rows = int(kind)
        known = [*factors] or [(2,) * ndim]
        pools = [known[min(k, len(known) - 1)] for k in range(rows - 2)] + [(1,) * ndim]
        dilations = [1] * (rows - 1) + [2]
    else:
        raise ValueError(f"residual U-block {kind!r} is unknown; choose 4, 5, 6, 7 or 4F")
    return RSU(
        ndim,
        c_in,
        c_out,
        inner=inner,
        pools=pools,
        dilations=dilations,
        norm=norm,
        activation=activation,
        bias=bias,
    )
