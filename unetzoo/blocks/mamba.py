"""Mamba: a gated selective state space along one sequence, and along the pixels of a map."""

from collections.abc import Callable
from math import ceil
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo.blocks.state_space import StateSpace

__all__ = ["CausalConv", "Mamba", "MambaLayer", "MambaPath"]


class CausalConv(nn.Conv1d):
    """A depthwise convolution over tokens that looks back; before the first one there are zeros."""

    def __init__(self, channels: int, size: int = 4) -> None:
        super().__init__(channels, channels, size, groups=channels)

    def forward(self, x: Tensor, *, reverse: bool = False) -> Tensor:
        """(B, L, C) to the same; ``reverse`` looks ahead, as if the sequence began at its end."""
        back = self.kernel_size[0] - 1
        padded = F.pad(x.transpose(1, 2), (0, back) if reverse else (back, 0))
        weight = self.weight.flip(-1) if reverse else self.weight
        return F.conv1d(padded, weight, self.bias, groups=self.groups).transpose(1, 2)


class MambaPath(nn.Module):
    """What a Mamba does along the sequence: causal convolution, SiLU, selective state space."""

    def __init__(self, channels: int, *, state: int = 16, kernel: int = 4, rank: int) -> None:
        super().__init__()
        self.conv = CausalConv(channels, kernel)
        self.space = StateSpace(channels, state=state, rank=rank)

    def forward(self, x: Tensor, z: Tensor | None = None, *, reverse: bool = False) -> Tensor:
        """Tokens (B, L, C), and a gate of that shape, to the same."""
        out: Tensor = self.space(F.silu(self.conv(x, reverse=reverse)), z, reverse=reverse)
        return out


class Mamba(nn.Module):
    """A sequence model whose cost is linear in the length (Gu & Dao 2023, arXiv:2312.00752, fig. 3).

    Two projections; one goes through convolution, SiLU and the selective state space, the other gates it; a
    third leads back.

    Args:
        channels: Width of the tokens.
        state: Numbers that each inner channel remembers.
        kernel: Tokens that the convolution sees, its own included.
        expand: Inner channels per channel.
        rank: Of the step widths' projection; ``None`` is a sixteenth of ``channels``, rounded up.
    """

    def __init__(
        self, channels: int, *, state: int = 16, kernel: int = 4, expand: int = 2, rank: int | None = None
    ) -> None:
        super().__init__()
        inner = expand * channels
        self.into = nn.Linear(channels, 2 * inner, bias=False)
        self.path = MambaPath(inner, state=state, kernel=kernel, rank=rank or ceil(channels / 16))
        self.out = nn.Linear(inner, channels, bias=False)

    def forward(self, x: Tensor, *, reverse: bool = False) -> Tensor:
        """Tokens (B, L, C) to the same, each of what came before it; ``reverse`` starts at the end."""
        x, z = self.into(x).chunk(2, -1)
        out: Tensor = self.out(self.path(x, z, reverse=reverse))
        return out


class MambaLayer(nn.Module):
    """Layer norm and a Mamba over the pixels of a map, row by row (U-Mamba, arXiv:2401.04722).

    Args:
        mixer: Builds what goes over the tokens from their width; it ends in a layer ``out``.
        residual: Add the map itself, which the released U-Mamba does not.
        both_ways: Add what the same mixer finds from the last pixel to the first, so that every pixel sees
            every other.
        identity_init: Start as the identity: the mixer's last layer is zero.

    Raises:
        ValueError: If ``identity_init`` is asked for without ``residual``.
    """

    def __init__(
        self,
        ndim: int,
        channels: int,
        *,
        mixer: Callable[[int], nn.Module] = Mamba,
        residual: bool = True,
        both_ways: bool = False,
        identity_init: bool = False,
    ) -> None:
        super().__init__()
        if identity_init and not residual:
            raise ValueError("identity_init=true needs residual=true; without it the layer starts as zero")
        self.norm, self.mixer = nn.LayerNorm(channels), mixer(channels)
        self.residual, self.both_ways = residual, both_ways
        if identity_init:
            last: Any = self.mixer.out
            nn.init.zeros_(last.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same."""
        tokens = self.norm(x.flatten(2).transpose(1, 2))
        found: Tensor = self.mixer(tokens)
        if self.both_ways:
            found = found + self.mixer(tokens, reverse=True)
        found = found.transpose(1, 2).reshape(x.shape)
        return x + found if self.residual else found
