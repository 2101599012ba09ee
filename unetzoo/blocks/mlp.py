"""The transformers' second half: two layers on every pixel by itself."""

from torch import nn

from unetzoo.nd import Activation, activation, conv

__all__ = ["mlp"]


def mlp(
    ndim: int,
    channels: int,
    c_out: int | None = None,
    *,
    ratio: float = 4.0,
    activation_name: Activation = "gelu",
    dropout: float = 0.0,
) -> nn.Sequential:
    """1x1 convolution to ``ratio`` times the channels, activation, 1x1 convolution back.

    Vaswani et al. 2017, arXiv:1706.03762, sec. 3.3; with GELU as in ViT (arXiv:2010.11929).

    Args:
        c_out: Channels at the end; ``None`` is ``channels``.
        dropout: Probability of zeroing a value after each of the two.
    """
    inner = max(1, round(channels * ratio))
    layers = [conv(ndim, channels, inner), activation(activation_name), conv(ndim, inner, c_out or channels)]
    if dropout:
        layers = [*layers[:2], nn.Dropout(dropout), layers[2], nn.Dropout(dropout)]
    return nn.Sequential(*layers)
