"""Networks of segmentation_models.pytorch."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from unetzoo.convert.recipe import Options, Recipe, Weights, in_order

__all__ = ["PEERS"]


def _unet_options(weights: Weights) -> Options:
    rows = _count(weights, "decoder.blocks.")
    return {
        "decoder.channels": [
            len(weights[f"decoder.blocks.{row}.conv1.0.weight"]) for row in reversed(range(rows))
        ]
    }


def _unet(theirs: Weights, ours: Any) -> dict[str, Tensor]:
    """Rows are listed coarsest first there, and a row's input is [gate, skip] where ours is [skip, gate]."""
    rows = _count(theirs, "decoder.blocks.")
    named = _ends(theirs, ours)
    for row in range(rows):
        named |= in_order(theirs, f"decoder.blocks.{row}.", ours, f"decoder.blocks.{rows - 1 - row}.")
    for row, gate in enumerate(ours.decoder.gates, start=ours.decoder.skipless):
        key = f"decoder.blocks.{row}.0.weight"
        named[key] = named[key].roll(-gate.channels, 1)
    return named


def _nested_options(weights: Weights) -> Options:
    depth = _count_nodes(weights)
    # the row above the finest skip, then those that meet one, from the finest on
    nodes = [f"x_0_{row}" for row in reversed(range(depth + 1))]
    return {
        "deep_supervision": False,
        "decoder.channels": [len(weights[f"decoder.blocks.{node}.conv1.0.weight"]) for node in nodes],
    }


def _nested(theirs: Weights, ours: Any) -> dict[str, Tensor]:
    """Nodes of a row are counted from the decoder back there, and concatenated the other way round."""
    rows = ours.skip.depth
    widths = [level.channels for level in ours.encoder.levels]
    named = _ends(theirs, ours)
    places = {f"x_0_{rows}": ("decoder.blocks.0", 0, 0)}  # above the finest row, without a skip
    for row in range(rows):
        line = rows - 1 - row
        places[f"x_0_{line}"] = (f"decoder.blocks.{row + 1}", row, line + 1)
        places |= {f"x_{line + 1 - j}_{line}": (f"skip.blocks.{row}_{j}", row, j) for j in range(1, line + 1)}
    for node, (place, row, nodes) in places.items():
        found = in_order(theirs, f"decoder.blocks.{node}.", ours, f"{place}.")
        first = next(iter(found))
        # theirs is [up, X[row][nodes - 1], ..., X[row][0]]
        up, *left = torch.split(
            found[first], [found[first].shape[1] - nodes * widths[row], *[widths[row]] * nodes], 1
        )
        named |= found | {first: torch.cat([*reversed(left), up], 1)}
    return named


def _linknet(theirs: Weights, ours: Any) -> dict[str, Tensor]:
    rows = _count(theirs, "decoder.blocks.")
    named = _ends(theirs, ours)
    for row in range(rows):
        places = (f"decoder.ups.{rows - 1 - row}.", f"decoder.blocks.{rows - 1 - row}.")
        named |= in_order(theirs, f"decoder.blocks.{row}.", ours, *places)
    return named


def _ends(theirs: Weights, ours: Any) -> dict[str, Tensor]:
    """Encoder and head."""
    return in_order(theirs, "encoder.", ours, "encoder.") | in_order(
        theirs, "segmentation_head.", ours, "heads."
    )


def _count(weights: Weights, prefix: str) -> int:
    return len({key[len(prefix) :].split(".")[0] for key in weights if key.startswith(prefix)})


def _count_nodes(weights: Weights) -> int:
    names: Iterable[str] = {key.split(".")[2] for key in weights if key.startswith("decoder.blocks.x_0_")}
    return max((int(name.rpartition("_")[2]) for name in names), default=0)


_recipe = partial(Recipe, first="encoder.", last="segmentation_head.0.weight")
PEERS = {
    "smp.Unet": _recipe("unet", options=_unet_options, named=_unet),
    "smp.UnetPlusPlus": _recipe("unet_plus_plus", options=_nested_options, named=_nested),
    "smp.Linknet": _recipe("linknet", options=lambda weights: {}, named=_linknet),
}
"""By the peer's name."""
