"""The scan as a recorded graph, for any length."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["FORMS", "as_doubling", "as_scan", "chosen_form", "recorded_as"]

DOUBLINGS = 16


def as_scan(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, reverse: bool) -> Tensor:
    """`scan_step_by_step` as one ONNX ``Scan`` node: no step is unrolled and no state is kept."""
    # torch's function around this operator compiles every call anew, seconds for each scan of a network
    from torch._higher_order_ops.scan import scan_op

    def step(state: Tensor, u: Tensor, delta: Tensor, B: Tensor, C: Tensor, A: Tensor) -> list[Tensor]:
        state = torch.exp(delta[..., None] * A) * state + (delta * u)[..., None] * B[:, :, None]
        return [state, (state * C[:, :, None]).sum(-1)]

    start = torch.zeros_like(u[:, 0, ..., None] * A)
    tokens = [t.movedim(1, 0) for t in (u, delta, B, C)]
    # the recorder has no Scan from the end
    tokens = [t.flip(0) for t in tokens] if reverse else tokens
    y: Tensor = scan_op(step, [start], tokens, (A,))[1]
    return (y.flip(0) if reverse else y).movedim(0, 1)


def as_doubling(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, reverse: bool) -> Tensor:
    """`scan_step_by_step` in operators that every runtime has; exact up to 65,536 tokens.

    Hillis & Steele 1986: the number of doublings is fixed, and those past the length do nothing, so the
    graph does not depend on it.
    """
    length = u.shape[1]
    decay = torch.exp(delta[..., None] * A)
    states = (delta * u)[..., None] * B[:, :, :, None]
    for shift in (2**i for i in range(DOUBLINGS)):
        # the last axis is listed first, time is the fourth from the end
        ends = (0, shift) if reverse else (shift, 0)
        pad = (0, 0, 0, 0, 0, 0, *ends)
        begin = shift if reverse else 0
        before = F.pad(states, pad).narrow(1, begin, length)
        decay_before = F.pad(decay, pad, value=1.0).narrow(1, begin, length)
        states, decay = states + decay * before, decay * decay_before
    return (states * C[:, :, :, None]).sum(-1)


FORMS: dict[str, Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, bool], Tensor]] = {
    "scan": as_scan,
    "doubling": as_doubling,
}
_form: ContextVar[str] = ContextVar("form", default="scan")


def chosen_form() -> Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, bool], Tensor]:
    """The form that is recorded here."""
    return FORMS[_form.get()]


@contextmanager
def recorded_as(form: str) -> Iterator[None]:
    """Record scans within as ``scan`` (the fastest in ONNX Runtime) or ``doubling`` (for any runtime)."""
    if form not in FORMS:
        raise ValueError(f"scan form {form!r} is unknown; choose {' or '.join(FORMS)}")
    token = _form.set(form)
    try:
        yield
    finally:
        _form.reset(token)
