"""A convolution of several features side by side, of which training keeps the features alone."""

from collections.abc import Sequence

import torch
from torch import Tensor

from unetzoo.ops.concat_conv.by_part import conv_by_part
from unetzoo.ops.concat_conv.features import Kept
from unetzoo.ops.concat_conv.reference import convolved

__all__ = ["concat_conv", "convolved"]


def concat_conv(
    features: Sequence[Tensor],
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
) -> Tensor:
    """``conv(cat(features))`` whose concatenation is not kept for the backward pass.

    ``W * cat(x_1, ..., x_n)`` is the sum of ``W_k * x_k``, W_k being the weight's channels of feature k. The
    sum's terms share one gradient and nothing else, so that the backward pass needs a single feature at a
    time: ``dx_k = W_k^T * dy`` and ``dW_k = dy * x_k``. Only its forward pass, where a sum of n convolutions
    takes up to twice the time of one, joins the features. An exported or compiled graph holds the reference.

    Args:
        features: (B, C_k, *size) each, in 2D or 3D.
        weight: (C, sum of C_k, *kernel).
        bias: (C,).

    Returns:
        (B, C, *size'), as ``torch.conv2d`` or ``conv3d`` has it.

    Raises:
        ValueError: If the features' channels are not the weight's.
    """
    widths = [f.shape[1] for f in features]
    if sum(widths) != weight.shape[1]:
        raise ValueError(f"the weight is for {weight.shape[1]} channels, the features have {widths}")
    if torch.compiler.is_compiling() or not torch.is_grad_enabled():
        return convolved(features, weight, bias, stride, padding, dilation)
    joined, parts = torch.cat([*features], 1), [Kept.now(f) for f in features]
    return conv_by_part(joined, parts, widths, weight, bias, stride, padding, dilation)
