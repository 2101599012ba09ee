"""Skips that read all rows, channel by channel."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo.blocks.mlp import mlp
from unetzoo.levels import Gate, Level, ratio
from unetzoo.nd import Resize, conv, conv_unit, norm
from unetzoo.skips.base import SkipPathway

__all__ = ["ChannelTransformer"]


class ChannelTransformer(SkipPathway):
    """Let every channel of every skip attend to the channels of all skips.

    The channel transformer (CTrans) of Wang et al. 2022, "UCTransNet", arXiv:2109.04335, sec. 3.1: each row
    is cut into patches on the bottleneck's grid, so that all rows have the same tokens; layers of
    channel-wise cross attention follow, whose queries are one row's channels and whose keys and values are
    all rows'; what they make of a row is enlarged, convolved and added to it. Attention is between channels,
    over the tokens: its cost is linear in the number of pixels, and any image size will do. Positions are
    learned for ``grid`` and interpolated to others.

    Args:
        layers: Of the transformer.
        heads: Each is as wide as the row, and their outputs are averaged.
        expansion: Inner channels of the MLPs per channel.
        grid: Tokens per axis that positions are learned for: the training image divided by the bottleneck's
            stride (14 is 224 px at stride 16).
        dropout: Probability of zeroing a value of the embedded tokens.
        identity_init: Start as the plain skip: what is added has a factor per channel, at first zero.
    """

    identity = "concat"

    def __init__(
        self,
        encoder: Sequence[Level],
        decoder: Sequence[Gate],
        *,
        layers: int = 4,
        heads: int = 4,
        expansion: int = 4,
        grid: int = 14,
        dropout: float = 0.1,
        identity_init: bool = False,
    ) -> None:
        super().__init__(encoder, decoder)
        *rows, bottleneck = encoder
        ndim, widths = len(bottleneck.stride), [row.channels for row in rows]
        patches = [ratio(bottleneck.stride, row.stride) for row in rows]
        self.embed = nn.ModuleList(
            conv(ndim, c, c, patch, stride=patch) for c, patch in zip(widths, patches, strict=True)
        )
        self.positions = nn.ParameterList(torch.zeros(1, c, *[grid] * ndim) for c in widths)
        self.drop = nn.Dropout(dropout)
        self.layers = nn.ModuleList(_Layer(ndim, widths, heads, expansion) for _ in range(layers))
        self.norms = nn.ModuleList(norm("layer", ndim, c) for c in widths)
        self.back = nn.ModuleList(_back(c, patch) for c, patch in zip(widths, patches, strict=True))
        self.scales = nn.ParameterList(torch.zeros(c, *[1] * ndim) for c in widths if identity_init)
        for parameter in (*self.positions, *self.scales):
            parameter.no_weight_decay = True

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """One tensor per row to the same, the bottleneck unchanged."""
        *rows, bottleneck = features
        tokens = [self.drop(self.embedded(i, x)) for i, x in enumerate(rows)]
        for layer in self.layers:
            tokens = layer(tokens)
        found = [back(norm(x)) for back, norm, x in zip(self.back, self.norms, tokens, strict=True)]
        if self.scales:
            found = [scale * x for scale, x in zip(self.scales, found, strict=True)]
        return [*(x + y for x, y in zip(rows, found, strict=True)), bottleneck]

    def embedded(self, row: int, x: Tensor) -> Tensor:
        """Row ``row``, (B, C, *size), to its tokens and their positions, (B, C, *grid)."""
        tokens: Tensor = self.embed[row](x)
        mode = "bilinear" if x.dim() == 4 else "trilinear"
        return tokens + F.interpolate(self.positions[row], tokens.shape[2:], mode=mode, align_corners=False)


class _Layer(nn.Module):
    """Channel-wise cross attention and an MLP per row, both residual and normed first."""

    def __init__(self, ndim: int, widths: Sequence[int], heads: int, expansion: int) -> None:
        super().__init__()
        every, self.heads = sum(widths), heads
        self.norms = nn.ModuleList(norm("layer", ndim, c) for c in widths)
        self.norm_all = norm("layer", ndim, every)
        self.queries = nn.ModuleList(conv(ndim, c, heads * c, bias=False) for c in widths)
        self.key, self.value = (conv(ndim, every, heads * every, bias=False) for _ in range(2))
        self.out = nn.ModuleList(conv(ndim, c, c, bias=False) for c in widths)
        self.mlps = nn.ModuleList(
            nn.Sequential(norm("layer", ndim, c), mlp(ndim, c, ratio=expansion)) for c in widths
        )

    def forward(self, tokens: list[Tensor]) -> list[Tensor]:
        """(B, C_i, *grid) per row to the same."""
        every = self.norm_all(torch.cat(tokens, 1))
        keys, values = self.split(self.key(every)), self.split(self.value(every))
        found = []
        for i, x in enumerate(tokens):
            weights = self.weights(self.split(self.queries[i](self.norms[i](x))), keys)
            x = x + self.out[i]((weights @ values).mean(1).reshape_as(x))
            found.append(x + self.mlps[i](x))
        return found

    def weights(self, queries: Tensor, keys: Tensor) -> Tensor:
        """(B, heads, C, N) and (B, heads, K, N) to attention (B, heads, C, K).

        Scores are normed over each head's whole map (instance norm) before the softmax.
        """
        scores = queries @ keys.transpose(2, 3) / keys.shape[2] ** 0.5
        return F.layer_norm(scores, scores.shape[2:]).softmax(3).to(queries.dtype)

    def split(self, x: Tensor) -> Tensor:
        """(B, heads * C, *grid) to (B, heads, C, N)."""
        return torch.unflatten(x.flatten(2), 1, (self.heads, -1))


def _back(channels: int, patch: tuple[int, ...]) -> nn.Sequential:
    # the convolution sees one pixel, so it may come before the enlargement
    change, *rest = conv_unit(len(patch), channels, channels, 1, bias=True)
    return nn.Sequential(change, Resize(patch, "nearest"), *rest)
