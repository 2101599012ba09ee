"""Skips weighed by large neighbourhoods of several scales."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from unetzoo.blocks.large_kernel_attention import LargeKernelAttention
from unetzoo.levels import Gate, Level, ratio
from unetzoo.nd import conv, resize
from unetzoo.skips.base import Merge, SkipPathway

__all__ = ["InterScaleSkip"]


class InterScaleSkip(SkipPathway):
    """Add to each skip what a large kernel makes of it, of the decoder, and of the next coarser row.

    ``skip + u * attention(u)`` with ``u = join([skip, coarser skip, gate])`` at the skip's width, and a large
    kernel decomposed into depthwise, dilated and 1x1 convolutions; the sum is concatenated with the decoder's
    feature. After the inter-scale interaction module of Azad et al. 2024, "TransDAE", arXiv:2409.02018, whose
    details are not public.

    Args:
        neighbors: Coarser rows of the encoder that a skip is joined with: 0 | 1.
        kernel: Pixels per axis that the decomposed kernel stands for.
        separable: One convolution per axis instead of one of all axes; ``None`` in 3D only.
        identity_init: Start as the plain skip: the attention's last convolution is zero.

    Raises:
        ValueError: If ``neighbors`` is another number.
    """

    identity = "concat"

    def __init__(
        self,
        encoder: Sequence[Level],
        decoder: Sequence[Gate],
        *,
        neighbors: int = 1,
        kernel: int = 21,
        separable: bool | None = None,
        identity_init: bool = False,
    ) -> None:
        if neighbors not in (0, 1):
            raise ValueError(f"a skip is joined with 0 or 1 coarser rows, not neighbors={neighbors}")
        *rows, bottleneck = encoder
        own = {row.stride: row.channels for row in rows}
        levels = list(rows)
        if neighbors:
            levels = [
                Level(a.channels + b.channels, a.stride) for a, b in zip(rows, encoder[1:], strict=True)
            ]
        super().__init__(
            encoder,
            decoder,
            levels=[*levels, bottleneck],
            merge=partial(_Interact, own=own, kernel=kernel, separable=separable, zero_init=identity_init),
        )
        self.ups = nn.ModuleList(
            resize(ratio(b.stride, a.stride)) for a, b in zip(rows, encoder[1:], strict=True) if neighbors
        )

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """One tensor per row to [row, coarser row]; the merge takes them apart."""
        if not self.ups:
            return features
        pairs = zip(self.ups, features, features[1:], strict=False)
        return [*(torch.cat([x, up(coarser)], 1) for up, x, coarser in pairs), features[-1]]


class _Interact(Merge):
    def __init__(
        self,
        skip: Level,
        gate: Gate,
        *,
        own: dict[tuple[int, ...], int],
        kernel: int,
        separable: bool | None,
        zero_init: bool,
    ) -> None:
        super().__init__()
        ndim, self.own = len(skip.stride), own[skip.stride]
        self.channels = self.own + gate.channels
        self.join = conv(ndim, skip.channels + gate.channels, self.own)
        self.attention = LargeKernelAttention(
            ndim, self.own, kernel=kernel, separable=separable, zero_init=zero_init
        )

    def forward(self, skip: Tensor, gate: Tensor, coarse: Tensor) -> Tensor:
        joined = self.join(torch.cat([skip, gate], 1))
        return torch.cat([skip.narrow(1, 0, self.own) + self.attention(joined), gate], 1)
