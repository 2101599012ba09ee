"""How a peer's network becomes one of ours."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from torch import Tensor

__all__ = ["Options", "Recipe", "Weights", "in_order"]

Weights = Mapping[str, Tensor]
Options = dict[str, Any]


class Recipe(NamedTuple):
    """What is to know about one of the peer's designs.

    Args:
        model: Our name of it.
        first: How the names of the weights begin among which a convolution comes first that takes the image.
        last: Weights of the convolution whose output are the logits.
        options: Keys of our model's config, as the weights show them.
        named: The weights under our names.
        native: Whether the encoder is the design's own, instead of one that goes by its name.
    """

    model: str
    first: str
    last: str
    options: Callable[[Weights], Options]
    named: Callable[[Weights, Any], dict[str, Tensor]]
    native: bool = False


def in_order(theirs: Weights, prefix: str, ours: Any, *places: str) -> dict[str, Tensor]:
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
