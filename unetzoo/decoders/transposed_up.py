"""The U-Net's way up."""

from collections.abc import Sequence

from torch import nn

from unetzoo.levels import Level, ratio

__all__ = ["transposed_up"]


def transposed_up(
    coarse: Level,
    fine: Level,
    *,
    bias: bool = True,
    size: int | None = None,
    widths: Sequence[int] | None = None,
) -> tuple[nn.Module, int]:
    """``up: transposed`` of `ConvDecoder`, with or without a bias, or of another kernel or width.

    Args:
        size: Of the kernel; ``None`` is the stride. A larger one overlaps.
        widths: Channels that are brought to the rows at stride 1, 2, 4 ...; ``None`` is each row's own.

    Raises:
        ValueError: If the kernel does not cover the finer grid.
    """
    factor = ratio(coarse.stride, fine.stride)
    kernel = factor if size is None else (size,) * len(factor)
    padding = tuple((k - 1) // 2 if k > f else 0 for k, f in zip(kernel, factor, strict=True))
    rest = tuple(f + 2 * p - k for k, f, p in zip(kernel, factor, padding, strict=True))
    if min(rest) < 0 or (size is not None and size < max(factor)):
        raise ValueError(
            f"a kernel of {size} does not go with strides of {factor} between rows; take an odd one"
        )
    width = fine.channels if widths is None else widths[max(fine.stride).bit_length() - 1]
    transposed: type[nn.Module] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}[len(factor)]
    module = transposed(
        coarse.channels, width, kernel, stride=factor, padding=padding, output_padding=rest, bias=bias
    )
    return module, width
