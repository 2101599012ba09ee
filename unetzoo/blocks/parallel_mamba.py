"""One small Mamba for several groups of channels."""

import torch
from torch import Tensor, nn

from unetzoo.blocks.mamba import Mamba

__all__ = ["ParallelMamba"]


class ParallelMamba(nn.Module):
    """Layer norm, groups of channels through one Mamba, each added to itself times s, the norm again, linear.

    The parallel vision Mamba layer (PVM) of Wu et al. 2024, "UltraLight VM-UNet", arXiv:2403.20035, sec. 3.2:
    a Mamba's size grows with the square of its width, so that a quarter of the channels costs a sixteenth.
    As published all groups share its weights, and both norms are one.

    Args:
        groups: Of channels.
        state: Numbers that each inner channel remembers.

    Raises:
        ValueError: If the channels cannot be split into groups.
    """

    def __init__(self, ndim: int, c_in: int, c_out: int, *, groups: int = 4, state: int = 16) -> None:
        super().__init__()
        if c_in % groups:
            raise ValueError(f"{c_in} channels cannot be split into {groups} groups for one Mamba")
        self.groups = groups
        self.norm, self.mamba = nn.LayerNorm(c_in), Mamba(c_in // groups, state=state)
        self.scale = nn.Parameter(torch.ones(1))
        self.out = nn.Linear(c_in, c_out)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, *size) to (B, c_out, *size)."""
        tokens = self.norm(x.flatten(2).transpose(1, 2))
        parts = torch.cat(tokens.chunk(self.groups, -1))  # (groups * B, L, c_in / groups)
        parts = self.mamba(parts) + self.scale * parts
        joined = self.norm(torch.cat(parts.unflatten(0, (self.groups, -1)).unbind(0), -1))
        out: Tensor = self.out(joined).transpose(1, 2).unflatten(2, x.shape[2:])
        return out
