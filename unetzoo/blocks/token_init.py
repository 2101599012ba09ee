"""How transformers start."""

from typing import TypeVar

from torch import nn

from unetzoo.blocks.state_space import StateSpace

__all__ = ["token_init"]

Module = TypeVar("Module", bound=nn.Module)


def token_init(module: Module) -> Module:
    """Give every linear layer and 1x1 convolution within small normal weights (0.02) and no bias.

    The start of ViT and Swin; with residual connections around norm-first blocks each block begins close to
    the identity. A `StateSpace` keeps its own, without which it has no memory.
    """
    spaces = [part for part in module.modules() if isinstance(part, StateSpace)]
    kept = {part for space in spaces for part in space.modules()}
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Conv2d | nn.Conv3d) and part not in kept:
            nn.init.trunc_normal_(part.weight, std=0.02)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
    return module
