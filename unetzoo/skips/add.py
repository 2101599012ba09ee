"""Skips that are added."""

from collections.abc import Sequence

from torch import Tensor, nn

from unetzoo.levels import Gate, Level
from unetzoo.nd import conv
from unetzoo.skips.base import Merge, SkipPathway

__all__ = ["AddSkip"]


class AddSkip(SkipPathway):
    """Add the skip to the decoder (LinkNet, Chaurasia & Culurciello 2017, arXiv:1707.03718, fig. 1).

    Where the widths differ the skip is projected by a 1x1 convolution; the paper's always agree. With
    ``zero_init`` and a decoder of class scores it is the skip of FCN (Long et al. 2015, arXiv:1411.4038).

    Args:
        zero_init: Project every skip, from zero, so that it adds nothing at first.
        rows: Rows whose skip is added, 0 the finest and -1 the coarsest skip's, the others go on without one;
            ``None`` is all of these.
        scales: Factor of the skip before its projection, per row, finest first; ``None`` is 1. FCN trained in
            one piece takes 1e-4 and 1e-2.
    """

    def __init__(
        self,
        encoder: Sequence[Level],
        decoder: Sequence[Gate],
        *,
        zero_init: bool = False,
        rows: Sequence[int] | None = None,
        scales: Sequence[float] | None = None,
    ) -> None:
        if scales is not None and len(scales) != len(decoder):
            raise ValueError(
                f"skip.scales lists {len(scales)} factors for {len(decoder)} skips; list one for each"
            )
        skips = range(len(decoder))
        if wrong := [row for row in rows or () if not -len(skips) <= row < len(skips)]:
            raise ValueError(f"rows={list(rows or ())}: there is no skip {wrong[0]}; list 0 to {skips[-1]}")
        added = {decoder[row].stride for row in (skips if rows is None else rows)}
        scale_of = {gate.stride: scale for gate, scale in zip(decoder, scales or (), strict=False)}
        super().__init__(
            encoder,
            decoder,
            merge=lambda e, d: (
                _Add(e, d, zero_init=zero_init, scale=scale_of.get(d.stride, 1.0))
                if d.stride in added
                else _GateAlone(d)
            ),
        )


class _Add(Merge):
    def __init__(self, skip: Level, gate: Gate, *, zero_init: bool, scale: float) -> None:
        super().__init__()
        self.channels, self.scale = gate.channels, scale
        same = skip.channels == gate.channels and not zero_init
        self.project = nn.Identity() if same else conv(len(skip.stride), skip.channels, gate.channels)
        if zero_init:
            for parameter in self.project.parameters():
                nn.init.zeros_(parameter)

    def forward(self, skip: Tensor, gate: Tensor, coarse: Tensor) -> Tensor:
        out: Tensor = self.project(skip if self.scale == 1 else self.scale * skip) + gate
        return out


class _GateAlone(Merge):
    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self.channels = gate.channels

    def forward(self, skip: Tensor, gate: Tensor, coarse: Tensor) -> Tensor:
        return gate
