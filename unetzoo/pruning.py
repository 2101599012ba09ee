"""Cut a trained UNet++ down to a shallower one."""

import copy

from torch import nn

from unetzoo.decoders import ConvDecoder
from unetzoo.levels import Gate
from unetzoo.skips import NestedSkip
from unetzoo.unet import UNet

__all__ = ["prune"]


def prune(model: UNet, depth: int) -> UNet:
    """The sub-network L_depth of a UNet++, equal to its side output X[0][depth].

    Zhou et al. 2019, arXiv:1912.05074, sec. III-C: diagonal ``depth`` of the nodes becomes the decoder and
    nothing beyond it remains, so an exported file carries no dead weights.

    Args:
        model: A UNet++ trained with deep supervision. It is left as it is.
        depth: 1 to the number of its rows below the finest; the full depth returns the main head alone.

    Raises:
        ValueError: If the model has no nested skips, no side heads, or no such depth.
    """
    skip, decoder = model.skip, model.decoder
    if not isinstance(skip, NestedSkip) or not isinstance(decoder, ConvDecoder):
        raise ValueError(
            f"only UNet++ (skip=nested, decoder=conv) can be pruned, got skip {type(skip).__name__}"
        )
    if not model.deep_supervision:
        raise ValueError("the model has no side heads to prune to; train it with model.deep_supervision=true")
    if not 1 <= depth <= skip.depth:
        raise ValueError(f"depth {depth} is not between 1 and {skip.depth}, the depth of this model")
    small = copy.deepcopy(model)
    small.deep_supervision = small.average_heads = False
    small.heads = nn.ModuleList([small.heads[0 if depth == skip.depth else depth]])
    if depth == skip.depth:
        return small
    inner, way_up = small.skip, small.decoder
    assert isinstance(inner, NestedSkip)
    assert isinstance(way_up, ConvDecoder)
    small.encoder.truncate(depth)
    rows = small.encoder.levels
    way_up.ups = nn.ModuleList(inner.ups[f"{i}_{depth - i}"] for i in range(depth))
    way_up.blocks = nn.ModuleList(inner.blocks[f"{i}_{depth - i}"] for i in range(depth))
    way_up.levels, way_up.skipless = rows[:-1], 0
    way_up.gates = [Gate(g.channels, g.stride, row) for g, row in zip(way_up.gates, rows[1:], strict=False)]
    kept = [f"{i}_{j}" for j in range(1, depth) for i in range(depth - j)]
    inner.ups = nn.ModuleDict({key: inner.ups[key] for key in kept})
    inner.blocks = nn.ModuleDict({key: inner.blocks[key] for key in kept})
    inner.merges, inner.depth, inner.side_levels = inner.merges[:depth], depth, []
    inner.levels = [
        row._replace(channels=row.channels * (depth - i)) for i, row in enumerate(rows[:-1])
    ] + rows[-1:]
    return small
