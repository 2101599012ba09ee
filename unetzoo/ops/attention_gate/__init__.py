"""An attention gate from the projection of its signal on."""

from collections.abc import Sequence

import torch
from torch import Tensor

from unetzoo.ops.attention_gate import compiled
from unetzoo.ops.attention_gate.reference import gate_by_definition, gate_weights, projected
from unetzoo.ops.dispatch import kernel_wins
from unetzoo.ops.maps import channels_last, empty_maps

__all__ = ["attention_gate", "gate_by_definition", "gate_weights", "projected"]


def attention_gate(
    skip: Tensor,
    project: Tensor,
    signal: Tensor,
    psi: Tensor,
    bias: Tensor,
    *,
    factor: Sequence[int],
    gain: float = 1.0,
) -> Tensor:
    """``gain skip sigmoid(psi relu(project skip + up(signal)) + bias)``, one weight per pixel.

    Oktay et al. 2018, arXiv:1804.03999, eq. 1, from the 1x1 convolution of the gating signal on, which stays
    at its own coarse resolution. The kernel interpolates it where it is used and reads every map once; where
    no gradient is asked for it projects the skip too, tile by tile, else torch does, to keep what the
    backward pass needs.

    Args:
        skip: (B, C, *size).
        project: (F, C, 1, ...), weights of the skip's 1x1 convolution.
        signal: (B, F, *(size / factor)), the projected gating signal, resampled linearly here.
        psi: (1, F, 1, ...), weights of a 1x1 convolution to one channel.
        bias: (1,), its bias.
        factor: How much finer the skip is than the signal, per axis.
        gain: Of the weights.

    Returns:
        (B, C, *size).

    Raises:
        ValueError: If shapes do not fit.
    """
    times = tuple(factor)
    # a compiler fuses the definition by itself, and an exported graph has standard operators alone
    if torch.compiler.is_compiling():
        return gate_by_definition(skip, project, signal, psi, bias, times, gain)
    _check(skip, project, signal, psi, bias, times)
    tensors = (skip, project, signal, psi, bias)
    line = "attention_gate, channels last" if channels_last(skip) else "attention_gate"
    gated: Tensor
    # autocast would have the convolution in half precision, and what it gives is no case for the kernel
    if not kernel_wins(line, *tensors) or torch.is_autocast_enabled("cpu"):
        gated = gate_by_definition(*tensors, times, gain)
    elif torch.is_grad_enabled() and any(t.requires_grad for t in tensors):
        gated = _gate(skip, projected(skip, project), signal, psi, bias, list(times), gain)
    else:
        gated = _projecting_gate(*tensors, list(times), gain)
    return gated


def _check(
    skip: Tensor, project: Tensor, signal: Tensor, psi: Tensor, bias: Tensor, factor: tuple[int, ...]
) -> None:
    batch, inner, *coarse = signal.shape
    size, ones = [n * f for n, f in zip(coarse, factor, strict=False)], [1] * len(coarse)
    fits = len(factor) == len(coarse) and psi.shape == (1, inner, *ones) and bias.shape == (1,)
    fits = fits and project.shape == (inner, *skip.shape[1:2], *ones)
    if not fits or skip.shape[:1] + skip.shape[2:] != (batch, *size):
        given = ", ".join(str(tuple(t.shape)) for t in (skip, project, signal, psi, bias))
        raise ValueError(
            "skip, project, signal, psi and bias must be (B, C, *size), (F, C, 1, ...), (B, F, *coarse), "
            f"(1, F, 1, ...) and (1,), got {given} and factor {factor}"
        )


@torch.library.custom_op("unetzoo::projecting_attention_gate", mutates_args=())
def _projecting_gate(
    skip: Tensor, project: Tensor, signal: Tensor, psi: Tensor, bias: Tensor, factor: list[int], gain: float
) -> Tensor:
    return compiled.forward_projecting(skip, project, signal, psi, bias, tuple(factor), gain)


@torch.library.custom_op("unetzoo::attention_gate", mutates_args=())
def _gate(
    skip: Tensor, theta: Tensor, signal: Tensor, psi: Tensor, bias: Tensor, factor: list[int], gain: float
) -> Tensor:
    return compiled.forward(skip, theta, signal, psi, bias, tuple(factor), gain)


@_projecting_gate.register_fake
@_gate.register_fake
def _(skip: Tensor, *others: object) -> Tensor:
    return empty_maps(skip, skip.shape, channels_last(skip))


@torch.library.custom_op("unetzoo::attention_gate_backward", mutates_args=())
def _gate_backward(
    dout: Tensor,
    skip: Tensor,
    theta: Tensor,
    signal: Tensor,
    psi: Tensor,
    bias: Tensor,
    factor: list[int],
    gain: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    dskip, dtheta, dsignal, dpsi, dbias = compiled.backward(
        dout, skip, theta, signal, psi, bias, tuple(factor), gain
    )
    return dskip, dtheta, dsignal, dpsi, dbias


@_gate_backward.register_fake
def _(
    dout: Tensor, skip: Tensor, theta: Tensor, signal: Tensor, psi: Tensor, bias: Tensor, *others: object
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    last = channels_last(skip)
    dskip, dtheta, dsignal = (empty_maps(t, t.shape, last) for t in (skip, theta, signal))
    return dskip, dtheta, dsignal, psi.new_empty(psi.shape), bias.new_empty(bias.shape)


def _keep(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    *tensors, ctx.factor, ctx.gain = inputs
    ctx.save_for_backward(*tensors)


def _differentiate(ctx, dout: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[no-untyped-def]
    return (*_gate_backward(dout, *ctx.saved_tensors, ctx.factor, ctx.gain), None, None)


_gate.register_autograd(_differentiate, setup_context=_keep)
