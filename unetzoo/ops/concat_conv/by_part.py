"""A convolution that meets its input whole on the way forward and part by part on the way back."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from unetzoo.ops.concat_conv.features import Feature

__all__ = ["CHUNK_BYTES", "conv_by_part"]

# on a CPU the input is laid out anew for every convolution; larger ones are taken in pieces of this size
CHUNK_BYTES = 2**24


def conv_by_part(
    joined: Tensor,
    parts: Sequence[Feature],
    widths: Sequence[int],
    weight: Tensor,
    bias: Tensor | None,
    stride: int | Sequence[int],
    padding: int | Sequence[int],
    dilation: int | Sequence[int],
) -> Tensor:
    """The convolution of ``joined``, of which ``parts`` alone are kept.

    Args:
        joined: (B, C, *size); its memory is free again when the caller lets go of it.
        parts: What it consists of, (B, C_k, *size) each.
        widths: C_k.
    """
    kind = joined.device.type
    # the meta device knows no autocast
    known = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
    dtype = torch.get_autocast_dtype(kind) if known else joined.dtype
    ndim = weight.dim() - 2
    settings = [[s] * ndim if isinstance(s, int) else [*s] for s in (stride, padding, dilation)]
    out: Tensor = _ByPart.apply(joined, weight, bias, parts, widths, settings, dtype)
    return out


class _ByPart(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        joined: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        parts: Sequence[Feature],
        widths: Sequence[int],
        settings: list[list[int]],
        dtype: torch.dtype,
    ) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.parts, ctx.widths, ctx.settings, ctx.dtype = parts, widths, settings, dtype
        ctx.like, ctx.of_bias = torch.empty_like(joined, device="meta"), None if bias is None else [len(bias)]
        weight, bias = weight.to(dtype), None if bias is None else bias.to(dtype)
        stride, padding, dilation = settings
        none = [0] * len(stride)
        out = [
            torch.convolution(x.to(dtype), weight, bias, stride, padding, dilation, False, none, 1)
            for x in torch.split(joined, _at_once(joined, len(joined)))
        ]
        return out[0] if len(out) == 1 else torch.cat(out)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (weight,) = ctx.saved_tensors
        of_input, of_weight, of_bias = ctx.needs_input_grad[:3]
        stride, padding, dilation = ctx.settings
        none = [0] * len(stride)
        into = torch.empty_like(ctx.like, device=grad.device, dtype=grad.dtype) if of_input else None
        pieces, at = list[Tensor](), 0
        found_bias = None
        for part, whole in zip(ctx.parts, weight.to(ctx.dtype).split(ctx.widths, 1), strict=True):
            feature = part.make()
            count = _at_once(feature, feature.shape[1])
            for x, piece in zip(feature.split(count, 1), whole.split(count, 1), strict=True):
                through, of_piece, dbias = torch.ops.aten.convolution_backward(
                    grad, x.to(ctx.dtype), piece, ctx.of_bias, stride, padding, dilation, False, none, 1,
                    [of_input, of_weight, of_bias and at == 0],
                )  # fmt: skip
                if into is not None:
                    into.narrow(1, at, x.shape[1]).copy_(through)
                found_bias = dbias if at == 0 else found_bias
                pieces.append(of_piece)
                at += x.shape[1]
                del through
            del feature, x  # before the next is made
        return into, torch.cat(pieces, 1) if of_weight else None, found_bias, None, None, None, None


def _at_once(x: Tensor, count: int) -> int:
    """How many of the ``count`` slices of a tensor a convolution takes at a time."""
    return max(1, count * CHUNK_BYTES // max(1, x.nbytes)) if x.device.type == "cpu" else count
