"""What is pooled."""

import torch
from torch import Tensor

__all__ = ["pool_wave_by_wave"]


def pool_wave_by_wave(x: Tensor, waves: Tensor) -> Tensor:
    """Mean, maximum and minimum of a map times a wave, each averaged over the waves (MADGNet, CVPR 2024).

    Args:
        x: (B, C, *size).
        waves: (K, *size).

    Returns:
        (3, B, C).
    """
    products = [(x * wave).flatten(2) for wave in waves]
    each = [torch.stack([p.mean(-1), p.amax(-1), p.amin(-1)]) for p in products]
    return torch.stack(each).mean(0)
