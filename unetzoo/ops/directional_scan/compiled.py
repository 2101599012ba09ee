"""All directions in compiled code, which adds one to the other where the map lies."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from unetzoo.ops import native, scan_kernel

__all__ = ["backward", "forward"]

_FLOAT = 4
_NAMES = ("u", "terms", "expand", "A", "D", "bias")


def forward(*inputs: Any) -> tuple[Tensor, Tensor]:
    """y, and the states between segments for the backward pass."""
    *tensors, ways = inputs
    made = _contiguous(*tensors)
    u, A = made["u"], made["A"]
    y = torch.empty_like(u)
    starts = u.new_empty(len(A), *scan_kernel.starts_shape(u, _state(made)))
    for k, fields in enumerate(_directions(made, ways)):
        scan_kernel.run_forward(fields, y, starts[k])
    return y, starts


def backward(dy: Tensor, *inputs: Any) -> tuple[Tensor, ...]:
    """Gradients of all six tensors."""
    *tensors, starts, ways = inputs
    made = _contiguous(*tensors)
    u, terms = made["u"], made["terms"]
    batch, directions = u.shape[0], terms.shape[2]
    parts = scan_kernel.parts_of(batch, 1, u.shape[2])
    grads = {"u": torch.empty_like(u), "terms": u.new_empty(parts, *terms.shape)}
    for name in ("expand", "A", "D", "bias"):
        grads[name] = u.new_empty(directions, batch, *made[name].shape[1:])
    dy = dy.contiguous()
    for k, fields in enumerate(_directions(made, ways)):
        scan_kernel.run_backward(fields, dy, starts[k], _addresses(grads, k, made), parts)
    sums = (grads[name].sum(1) for name in ("expand", "A", "D", "bias"))
    return (grads["u"], scan_kernel.sum_of_parts(grads["terms"]), *sums)


def _contiguous(*tensors: Tensor) -> dict[str, Tensor]:
    return {name: t.contiguous() for name, t in zip(_NAMES, tensors, strict=True)}


def _directions(tensors: dict[str, Tensor], ways: list[int]) -> Iterator[dict[str, Any]]:
    """The fields of ``unetzoo_scan`` of each direction, the first of which overwrites."""
    u, expand = tensors["u"], tensors["expand"]
    batch, length, width = u.shape
    row = tensors["terms"].shape[2] * tensors["terms"].shape[3]
    sizes = {"batch": batch, "length": length, "groups": 1, "width": width, "row": row}
    state = _state(tensors)
    sizes |= {"state": state, "rank": expand.shape[2], "softplus": True}
    for k in range(len(expand)):
        reverse, fast, apart = ways[3 * k : 3 * k + 3]
        order = {"reverse": reverse, "fast": fast, "apart": apart, "accumulate": k > 0}
        yield _addresses(tensors, k, tensors) | sizes | order


def _addresses(tensors: dict[str, Tensor], k: int, like: dict[str, Tensor]) -> dict[str, int]:
    """Of what belongs to direction k; its terms lie side by side in each token: low rank, B, C."""
    of = {name: t if name in ("u", "terms") else t[k] for name, t in tensors.items()}
    found = native.pointers(of)
    rank, state = like["expand"].shape[2], _state(like)
    low = found.pop("terms") + _FLOAT * k * (rank + 2 * state)
    return found | {"low": low, "B": low + _FLOAT * rank, "C": low + _FLOAT * (rank + state)}


def _state(tensors: dict[str, Tensor]) -> int:
    return (tensors["terms"].shape[3] - tensors["expand"].shape[2]) // 2
