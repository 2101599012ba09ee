"""Networks trained with other libraries, as ours: the weights of a peer under our names."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from unetzoo.unet import UNet
from unetzoo.zoo import create_model

__all__ = ["PEERS", "convert"]

Weights = Mapping[str, Tensor]


def convert(weights: Weights, peer: str, *, encoder: str, head: str | None = None) -> UNet:
    """A network of ours that answers as the peer's does, from the peer's ``state_dict``.

    Widths, bands and classes are read off the weights. Dropout and the like, which have no weights, are not
    taken over; the answer in eval mode is the same to rounding.

    Args:
        weights: Of one of `PEERS`, of segmentation_models.pytorch.
        encoder: The encoder's name, the same in both libraries, such as ``resnet34``.
        head: ``multiclass`` or ``multilabel``; None: ``binary`` for one logit, else ``multiclass``.

    Raises:
        ValueError: If the peer is unknown, or the weights are not those of such a network: the encoder is
            built otherwise there, or it has attention in the decoder, or no batch norm.
    """
    if peer not in PEERS:
        raise ValueError(f"peer '{peer}' is unknown; choose one of {', '.join(PEERS)}")
    model, overrides, named = PEERS[peer]
    try:
        last = weights["segmentation_head.0.weight"]
        entry = next(
            value for key, value in weights.items() if key.startswith("encoder.") and value.ndim == 4
        )
        made = create_model(
            model,
            encoder=encoder,
            in_channels=entry.shape[1],
            classes=len(last),
            head=head,
            overrides=overrides(weights),
        )
        made.load_state_dict(named(weights, made), strict=True)
    except (KeyError, StopIteration) as error:
        raise ValueError(f"these are no weights of {peer}: {error} is not among them") from error
    return made.eval()


def _unet_widths(weights: Weights) -> dict[str, Any]:
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
        named |= _in_order(theirs, f"decoder.blocks.{row}.", ours, f"decoder.blocks.{rows - 1 - row}.")
    for row, gate in enumerate(ours.decoder.gates, start=ours.decoder.skipless):
        key = f"decoder.blocks.{row}.0.weight"
        named[key] = named[key].roll(-gate.channels, 1)
    return named


def _nested_widths(weights: Weights) -> dict[str, Any]:
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
        found = _in_order(theirs, f"decoder.blocks.{node}.", ours, f"{place}.")
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
        named |= _in_order(theirs, f"decoder.blocks.{row}.", ours, *places)
    return named


def _ends(theirs: Weights, ours: Any) -> dict[str, Tensor]:
    """Encoder and head."""
    return _in_order(theirs, "encoder.", ours, "encoder.") | _in_order(
        theirs, "segmentation_head.", ours, "heads."
    )


def _in_order(theirs: Weights, prefix: str, ours: Any, *places: str) -> dict[str, Tensor]:
    """Their tensors of a part under our names, if both have the same kinds and shapes in the same order."""
    found = {key: value for key, value in theirs.items() if key.startswith(prefix)}
    wanted = {key: value for key, value in ours.state_dict().items() if key.startswith(places)}
    if [_kind(*item) for item in found.items()] != [_kind(key, value) for key, value in wanted.items()]:
        part = prefix.rstrip(".")
        differing = next(
            (
                f"{a} {list(found[a].shape)} where {b} is {list(wanted[b].shape)}"
                for a, b in zip(found, wanted, strict=False)
                if _kind(a, found[a]) != _kind(b, wanted[b])
            ),
            f"{len(found)} tensors where ours has {len(wanted)}",
        )
        raise ValueError(
            f"their {part} is built otherwise than ours ({differing}), so it cannot be converted"
        )
    return dict(zip(wanted, found.values(), strict=True))


def _kind(key: str, value: Tensor) -> tuple[object, ...]:
    """What must agree; the input columns of a concatenation are only permuted."""
    return key.rpartition(".")[2], *value.shape


def _count(weights: Weights, prefix: str) -> int:
    return len({key[len(prefix) :].split(".")[0] for key in weights if key.startswith(prefix)})


def _count_nodes(weights: Weights) -> int:
    names: Iterable[str] = {key.split(".")[2] for key in weights if key.startswith("decoder.blocks.x_0_")}
    return max((int(name.rpartition("_")[2]) for name in names), default=0)


_Recipe = tuple[str, Callable[[Weights], dict[str, Any]], Callable[[Weights, Any], dict[str, Tensor]]]
PEERS: dict[str, _Recipe] = {
    "smp.Unet": ("unet", _unet_widths, _unet),
    "smp.UnetPlusPlus": ("unet_plus_plus", _nested_widths, _nested),
    "smp.Linknet": ("linknet", lambda weights: {}, _linknet),
}
"""By the peer's name: our model, its options as the weights show them, and the weights under our names."""
