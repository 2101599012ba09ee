"""Attention to a memory that the data set, not the image, fills."""

from torch import Tensor, nn

from unetzoo.nd import conv

__all__ = ["ExternalAttention"]


class ExternalAttention(nn.Module):
    """``gelu(x + out(values(attend(keys(into(x))))))``, all of them 1x1 convolutions, the last one normed.

    Guo et al. 2021, "Beyond Self-attention: External Attention using Two Linear Layers", arXiv:2105.02358, as
    MALUNet takes it (Ruan et al. 2022, arXiv:2211.01784, sec. 2.2): keys and values are learned, so the cost
    is linear in the number of pixels. Attention is normalised twice, over the pixels by softmax and over the
    memory by its sum.

    Args:
        expand: Entries of the memory per channel.
        groups: Of the norm.
    """

    def __init__(self, ndim: int, channels: int, *, expand: int = 4, groups: int = 4) -> None:
        super().__init__()
        memory = expand * channels
        self.into = conv(ndim, channels, channels)
        self.keys = conv(ndim, channels, memory, bias=False)
        self.values = conv(ndim, memory, channels, bias=False)
        self.out = nn.Sequential(conv(ndim, channels, channels, bias=False), nn.GroupNorm(groups, channels))
        self.act = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same."""
        scores: Tensor = self.keys(self.into(x))
        # autocast takes softmax in float32, and so must the sum that divides it
        attention = scores.flatten(2).softmax(2).reshape(scores.shape)
        attention = attention / (1e-9 + attention.sum(1, keepdim=True))
        out: Tensor = self.act(x + self.out(self.values(attention)))
        return out
