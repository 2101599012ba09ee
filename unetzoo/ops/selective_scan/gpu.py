"""The scan on a GPU, by the kernels of `gpu_forward` and `gpu_backward`, if Triton is installed."""

import logging
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from unetzoo.ops.selective_scan import segments
from unetzoo.ops.selective_scan.segments import STEPS

__all__ = ["backward", "forward", "takes"]

MOST_STATES = 64
TILE = 4
# so many states of a block fit its registers, with what a step needs besides
HELD_FORWARDS, HELD_BACKWARDS = 512, 256
WIDEST = 128
CARRIED = 128
_log = logging.getLogger(__name__)


class _Kernels(NamedTuple):
    forward: Any
    carry: Any
    hand_back: Any
    backward: Any


@cache
def kernels() -> _Kernels | None:
    """Those of `gpu_forward` and `gpu_backward`, or ``None`` without Triton, which nothing else imports."""
    try:
        from unetzoo.ops.selective_scan import gpu_backward, gpu_forward
    except ImportError:
        _log.info("triton is not installed, so state spaces run in plain torch on a GPU, many times slower")
        return None
    return _Kernels(gpu_forward.forward, gpu_forward.carry, gpu_backward.hand_back, gpu_backward.backward)


def takes(u: Tensor, A: Tensor) -> bool:
    """Whether this is for a GPU; asked while a graph is traced, so whether Triton is there is asked later."""
    kinds = (torch.float32, torch.bfloat16, torch.float16)
    fits = u.device.type == "cuda" and u.dtype in kinds and A.shape[-1] <= MOST_STATES
    return fits and u.numel() > 0


def forward(*inputs: Any) -> tuple[Tensor, Tensor]:
    """As `segments.forward`, with the same arguments; u, delta, B, C and z may be in half precision."""
    run = kernels()
    if run is None:
        y, starts = segments.forward(*_in_single(inputs))
        return y.to(inputs[0].dtype), starts
    tensors = _contiguous(*inputs[:8])
    u, _, A, B = tensors[:4]
    plan = _planned(u, A, B, HELD_FORWARDS, *inputs[8:])
    y, starts = torch.empty_like(u), A.new_empty(plan.segments, *plan.state)
    if plan.chunks > 1:
        totals = A.new_empty(plan.chunks, *u.shape[::2])
        _launch(run.forward, plan, plan.chunks - 1, *tensors, None, starts, totals, carried=False)
        _carry(run.carry, starts, totals, A, plan, plan.sizes["per_chunk"], backwards=False)
    _launch(run.forward, plan, plan.chunks, *tensors, y, starts, None, carried=plan.chunks > 1)
    return y, starts


def backward(dy: Tensor, *inputs: Any) -> tuple[Tensor | None, ...]:
    """As `segments.backward`, with the same arguments."""
    run = kernels()
    if run is None:
        grads = segments.backward(*_in_single((dy, *inputs)))
        return tuple(None if g is None else g.to(t.dtype) for g, t in zip(grads, inputs[:8], strict=True))
    given = _contiguous(dy, *inputs[:9])
    _, u, delta, A, B, C, D, z, bias, _ = given
    plan, handed = _planned(u, A, B, HELD_BACKWARDS, *inputs[9:]), None
    if plan.chunks > 1:
        handed, totals = A.new_empty(plan.chunks, *plan.state), A.new_empty(plan.chunks, *u.shape[::2])
        _launch(run.hand_back, plan, plan.chunks - 1, given[0], delta, A, C, z, bias, handed, totals)
        _carry(run.carry, handed, totals, A, plan, 1, backwards=True)
    tile_starts = STEPS // TILE * plan.settings["STATES"] * plan.settings["BLOCK"]
    scratch = A.new_empty(plan.programs * plan.chunks * tile_starts)
    du, ddelta, dz = (None if t is None else torch.empty_like(t) for t in (u, delta, z))
    # a sum per program, added up below: in an order that no race decides
    dA = A.new_empty(plan.chunks, *plan.state)
    dB, dC = (A.new_empty(plan.sizes["blocks"], *t.shape) for t in (B, C))
    dD, dbias = (None if t is None else A.new_empty(plan.chunks, *u.shape[::2]) for t in (D, bias))
    _launch(run.backward, plan, plan.chunks, *given, handed, scratch, du, ddelta, dA, dB, dC, dD, dz, dbias)
    dD, dbias = (None if t is None else t.sum((0, 1)) for t in (dD, dbias))
    return du, ddelta, dA.sum((0, 1)), dB.sum(0).to(B.dtype), dC.sum(0).to(C.dtype), dD, dz, dbias


class _Plan(NamedTuple):
    """How a scan is shared out."""

    programs: int
    chunks: int
    segments: int
    state: tuple[int, int, int]
    sizes: dict[str, int]
    settings: dict[str, Any]


def _planned(
    u: Tensor, A: Tensor, B: Tensor, held: int, softplus: bool, reverse: bool, fast: int, apart: int
) -> _Plan:
    batch, length, channels = u.shape
    groups, state = B.shape[2:]
    width, states = channels // groups, _power_of_two(state)
    block = min(_power_of_two(width), WIDEST, held // states)
    blocks, count = -(-width // block), -(-length // STEPS)
    programs = batch * groups * blocks
    per_chunk = -(-count // min(count, -(-_wanted(u.device) // programs)))
    sizes = {"batch": batch, "length": length, "groups": groups, "width": width, "state": state}
    sizes |= {"fast": fast, "apart": apart, "blocks": blocks, "per_chunk": per_chunk}
    settings = {"softplus": softplus, "reverse": reverse, "STEPS": STEPS, "TILE": TILE}
    settings |= {"BLOCK": block, "STATES": states, **_compiled(1)}
    return _Plan(programs, -(-count // per_chunk), count, (batch, channels, state), sizes, settings)


def _compiled(warps: int) -> dict[str, Any]:
    # a multiplication and an addition in one instruction, which later versions of Triton must be asked for
    return {"num_warps": warps, "enable_fp_fusion": True}


def _power_of_two(least: int) -> int:
    return 1 << (least - 1).bit_length()


def _wanted(device: torch.device) -> int:
    """Programs that fill the device; one runs in one warp."""
    return 16 * torch.cuda.get_device_properties(device).multi_processor_count


def _in_single(inputs: tuple[Any, ...]) -> list[Any]:
    return [t.float() if isinstance(t, Tensor) else t for t in inputs]


def _contiguous(*tensors: Tensor | None) -> list[Any]:
    return [None if t is None else t.contiguous() for t in tensors]


def _launch(kernel: Any, plan: _Plan, chunks: int, *tensors: Tensor | None, **settings: bool) -> None:
    _run(kernel[plan.programs, chunks], *tensors, **plan.sizes, **plan.settings, **settings)


def _carry(
    kernel: Any, ends: Tensor, totals: Tensor, A: Tensor, plan: _Plan, every: int, *, backwards: bool
) -> None:
    batch, channels, state = plan.state
    cells = batch * channels * state
    sizes = (plan.chunks, every * cells, batch * channels, channels, state)
    settings = {"backwards": backwards, "TILE": 2 * TILE, "BLOCK": CARRIED, **_compiled(CARRIED // 32)}
    _run(kernel[(-(-cells // CARRIED),)], ends, totals, A, *sizes, **settings)


def _run(kernel: Any, *arguments: Any, **settings: Any) -> None:
    # Triton launches on the current device, whichever the tensors are on
    with torch.cuda.device_of(arguments[0]):  # type: ignore[no-untyped-call]
        kernel(*arguments, **settings)
