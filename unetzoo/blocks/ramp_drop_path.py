"""Stochastic depth that rises with depth."""

from timm.layers.drop import DropPath
from torch import nn

__all__ = ["ramp_drop_path"]


def ramp_drop_path(module: nn.Module, rate: float) -> None:
    """Set all ``DropPath`` within, in order, evenly from 0 to ``rate`` (arXiv:1603.09382, eq. 4).

    Raises:
        ValueError: If there is none to set.
    """
    found = [part for part in module.modules() if isinstance(part, DropPath)]
    if rate and not found:
        raise ValueError(f"drop_path={rate} is for blocks with stochastic depth, and these have none")
    for k, part in enumerate(found):
        part.drop_prob = rate * k / max(1, len(found) - 1)
