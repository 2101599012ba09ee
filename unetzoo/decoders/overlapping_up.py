"""A transposed convolution whose outputs overlap."""

from torch import nn

from unetzoo.levels import Level, ratio

__all__ = ["overlapping_up"]


def overlapping_up(coarse: Level, fine: Level, *, bias: bool = False) -> tuple[nn.Module, int]:
    """Transposed convolution to the fine row's channels, kernel twice the stride; for ``ConvDecoder.up``."""
    factor = ratio(coarse.stride, fine.stride)
    if any(f % 2 and f > 1 for f in factor):
        raise ValueError(f"overlapping_up needs even strides between rows, got {factor}; use up: transposed")
    transposed: type[nn.Module] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}[len(factor)]
    # an axis that keeps its size has nothing to overlap
    kernel, padding = tuple(2 * f if f > 1 else 1 for f in factor), tuple(f // 2 for f in factor)
    module = transposed(coarse.channels, fine.channels, kernel, stride=factor, padding=padding, bias=bias)
    return module, fine.channels
