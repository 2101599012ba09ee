"""Cut a trained UNet++ down to a shallower one."""

import copy

from torch import nn

from unetzoo.decoders import ConvDecoder
from unetzoo.levels import Gate
from unetzoo.network import SegmentationNetwork
from unetzoo.skips import ConcatSkip, NestedSkip
from unetzoo.skips.nested import nested_levels, nested_merge
from unetzoo.unet import UNet

__all__ = ["prune"]


def prune(model: SegmentationNetwork, depth: int) -> UNet:
    """The sub-network L_depth of a UNet++, equal to its side output X[0][depth].

    Zhou et al. 2019, arXiv:1912.05074, sec. III-C: diagonal ``depth`` of the nodes becomes the decoder and
    nothing beyond it remains, so an exported file carries no dead weights. Images are still padded to the
    whole network's divisor, or the two would differ at the border of sizes that need padding.

    Args:
        model: A UNet++ trained with deep supervision. It is left as it is.
        depth: 1 to the number of its rows below the finest; the full depth keeps all but the side heads.

    Raises:
        ValueError: If the model has no nested skips, no side heads, or no such depth.
    """
    skip, decoder = getattr(model, "skip", None), getattr(model, "decoder", None)
    if (
        not isinstance(model, UNet)
        or not isinstance(skip, NestedSkip)
        or not isinstance(decoder, ConvDecoder)
    ):
        raise ValueError(
            f"only UNet++ (skip=nested, decoder=conv) can be pruned, got skip {type(skip).__name__}"
        )
    if not model.deep_supervision:
        raise ValueError("the model has no side heads to prune to; train it with model.deep_supervision=true")
    if not 1 <= depth <= skip.depth:
        raise ValueError(f"depth {depth} is not between 1 and {skip.depth}, the depth of this model")
    small = copy.deepcopy(model)
    small.deep_supervision = small.average_heads = False
    small.main_head = 0
    if model.config is not None:
        small.config = {"_target_": "unetzoo.pruning.prune", "model": model.config, "depth": depth}
    small.heads = nn.ModuleList([small.heads[0 if depth == skip.depth else depth]])
    if depth == skip.depth:
        if skip.sources == "ensemble":  # its inner nodes were the shallower U-Nets
            small.skip = ConcatSkip(small.encoder.levels, small.decoder.gates)
        return small
    inner, way_up = small.skip, small.decoder
    assert isinstance(inner, NestedSkip)
    assert isinstance(way_up, ConvDecoder)
    small.metrics, small.temperature, small.cleaning = {}, 1.0, ()  # they were found with the whole network
    small.encoder.truncate(depth)
    rows = small.encoder.levels
    way_up.ups = nn.ModuleList(inner.ups[f"{i}_{depth - i}"] for i in range(depth))
    way_up.blocks = nn.ModuleList(inner.blocks[f"{i}_{depth - i}"] for i in range(depth))
    way_up.levels, way_up.skipless = rows[:-1], 0
    way_up.context = nn.Identity()  # it is for the whole network's bottleneck
    # each block was made for the nodes to its left and what comes up from below
    way_up.brought = [inner.widths[f"{i}_{depth - i}"] for i in range(depth)]
    way_up.gates = [
        Gate(width, fine.stride, coarse)
        for width, fine, coarse in zip(way_up.brought, rows, rows[1:], strict=False)
    ]
    if inner.sources == "ensemble":
        small.skip = ConcatSkip(rows, way_up.gates)
        return small
    kept = [f"{i}_{j}" for j in range(1, depth) for i in range(depth - j)]
    inner.ups = nn.ModuleDict({key: inner.ups[key] for key in kept})
    inner.blocks = nn.ModuleDict({key: inner.blocks[key] for key in kept})
    inner.depth, inner.side_levels, inner.levels = depth, [], nested_levels(rows)
    inner.merges = nn.ModuleList(
        nested_merge(inner.sources, rows, e, g) for e, g in zip(inner.levels, way_up.gates, strict=False)
    )
    return small
