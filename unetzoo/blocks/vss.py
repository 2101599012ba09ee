"""The block of Mamba networks that see."""

from typing import Any

from timm.layers.drop import DropPath
from torch import Tensor, nn

from unetzoo.blocks.mlp import mlp
from unetzoo.blocks.project import project
from unetzoo.blocks.ss2d import SS2D
from unetzoo.blocks.token_init import token_init
from unetzoo.nd import norm

__all__ = ["VSS", "vss"]


class VSS(nn.Module):
    """A selective scan over the map, behind a norm and around a shortcut: every pixel sees every other.

    The visual state space block of VMamba (Liu et al. 2024, arXiv:2401.10166, fig. 3) without, and with
    ``mlp_ratio`` in its later form with two layers per pixel; the cost grows with the number of pixels, not
    with its square. In any dimension.

    Args:
        mlp_ratio: Inner width of the two layers that follow, in units of ``channels``; 0 is none.
        drop_path: Probability of leaving a branch out for an image, in training.
        identity_init: Start as the identity.
        options: The other arguments of `SS2D`.
    """

    def __init__(
        self,
        ndim: int,
        channels: int,
        *,
        mlp_ratio: float = 0.0,
        drop_path: float = 0.0,
        identity_init: bool = False,
        **options: Any,
    ) -> None:
        super().__init__()
        mixer = SS2D(ndim, channels, identity_init=identity_init, **options)
        self.branches = nn.ModuleList([nn.Sequential(norm("layer", ndim, channels), mixer)])
        if mlp_ratio:
            layers = token_init(mlp(ndim, channels, ratio=mlp_ratio))
            if identity_init:
                for parameter in layers[-1].parameters():
                    nn.init.zeros_(parameter)
            self.branches.append(nn.Sequential(norm("layer", ndim, channels), layers))
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same."""
        for branch in self.branches:
            x = x + self.drop_path(branch(x))
        return x


def vss(ndim: int, c_in: int, c_out: int, **options: Any) -> nn.Module:
    """`VSS`, behind a 1x1 convolution where the width changes; a block of encoders and decoders."""
    block = VSS(ndim, c_out, **options)
    return block if c_in == c_out else nn.Sequential(project(ndim, c_in, c_out), block)
