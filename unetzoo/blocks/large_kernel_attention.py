"""Weights per pixel and channel from a large neighbourhood."""

from collections.abc import Iterator

from torch import Tensor, nn

from unetzoo.nd import conv

__all__ = ["LargeKernelAttention"]


class LargeKernelAttention(nn.Module):
    """``x * mix(wide(near(x)))``: a large kernel in three cheap steps, without a softmax or a sigmoid.

    A depthwise convolution of ``2 dilation - 1`` pixels, a dilated one of ``kernel / dilation``, and a 1x1
    convolution, after Guo et al. 2022, "Visual Attention Network", arXiv:2202.09741, eq. 3. Kernels separated
    into one convolution per axis are those of Lau et al. 2023, "Large Separable Kernel Attention",
    arXiv:2309.01439.

    Args:
        kernel: Pixels per axis that the decomposed kernel stands for.
        dilation: Of the second convolution.
        separable: One convolution per axis instead of one of all axes; ``None`` in 3D only, where 5 and 7
            cubed are too many.
        zero_init: Start as zero: the 1x1 convolution is.

    Raises:
        ValueError: If the kernel is not larger than the dilation.
    """

    def __init__(
        self,
        ndim: int,
        channels: int,
        *,
        kernel: int = 21,
        dilation: int = 3,
        separable: bool | None = None,
        zero_init: bool = False,
    ) -> None:
        super().__init__()
        if kernel <= dilation:
            raise ValueError(f"a kernel of {kernel} pixels cannot be decomposed with dilation {dilation}")
        apart = ndim > 2 if separable is None else separable
        wide = -(-kernel // dilation)
        wide += 1 - wide % 2  # an odd kernel keeps the size
        self.near = nn.Sequential(*_depthwise(ndim, channels, 2 * dilation - 1, 1, apart))
        self.wide = nn.Sequential(*_depthwise(ndim, channels, wide, dilation, apart))
        self.mix = conv(ndim, channels, channels)
        if zero_init:
            for parameter in self.mix.parameters():
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same."""
        out: Tensor = x * self.mix(self.wide(self.near(x)))
        return out


def _depthwise(ndim: int, channels: int, size: int, dilation: int, apart: bool) -> Iterator[nn.Module]:
    axes = [[axis] for axis in range(ndim)] if apart else [range(ndim)]
    for taken in axes:
        sizes = tuple(size if axis in taken else 1 for axis in range(ndim))
        padding = tuple(dilation * (s // 2) for s in sizes)
        yield conv(ndim, channels, channels, sizes, padding=padding, groups=channels, dilation=dilation)
