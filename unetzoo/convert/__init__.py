"""Networks trained with other libraries, as ours: the weights of a peer under our names."""

from unetzoo.convert import monai, smp
from unetzoo.convert.recipe import Recipe, Weights
from unetzoo.unet import UNet
from unetzoo.zoo import create_model

__all__ = ["PEERS", "convert", "recipe_of"]

PEERS: dict[str, Recipe] = {**smp.PEERS, **monai.PEERS}
"""By the peer's name."""


def recipe_of(peer: str) -> Recipe:
    """How one of `PEERS` is converted.

    Raises:
        ValueError: If there is none of this name.
    """
    if peer not in PEERS:
        raise ValueError(f"peer '{peer}' is unknown; choose one of {', '.join(PEERS)}")
    return PEERS[peer]


def convert(weights: Weights, peer: str, *, encoder: str | None = None, head: str | None = None) -> UNet:
    """A network of ours that answers as the peer's does, from the peer's ``state_dict``.

    Widths, bands, classes and dimension are read off the weights; what has none is taken to be as the peer
    builds it by default, see `unetzoo.convert.monai`. Dropout is not taken over; the answer in eval mode is
    the same to rounding, for sizes that the peer need not pad.

    Args:
        weights: Of one of `PEERS`, of segmentation_models.pytorch or MONAI.
        encoder: The encoder's name, the same in both libraries, such as ``resnet34``; MONAI's networks have
            encoders of their own.
        head: ``multiclass`` or ``multilabel``; None: ``binary`` for one logit, else ``multiclass``.

    Raises:
        ValueError: If the peer is unknown, the encoder is missing or has no place, or the weights are not
            those of such a network: it is built otherwise there, or has attention in the decoder, or other
            norms.
    """
    recipe = recipe_of(peer)
    if recipe.native and encoder is not None:
        raise ValueError(f"encoder={encoder}: {peer} has an encoder of its own; leave encoder out")
    if not recipe.native and encoder is None:
        raise ValueError(f"{peer} is built around an encoder; give its name, such as encoder=resnet34")
    try:
        last = weights[recipe.last]
        entry = next(
            value for key, value in weights.items() if key.startswith(recipe.first) and value.ndim > 3
        )
        made = create_model(
            recipe.model,
            encoder=encoder or f"conv{entry.ndim - 2}d",
            in_channels=entry.shape[1],
            classes=len(last),
            head=head,
            overrides=recipe.options(weights),
        )
        made.load_state_dict(recipe.named(weights, made), strict=True)
    except (KeyError, StopIteration) as error:
        raise ValueError(f"these are no weights of {peer}: {error} is not among them") from error
    return made.eval()
