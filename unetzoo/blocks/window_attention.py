"""Attention within windows that cover a map of any size."""

from collections.abc import Sequence
from functools import reduce
from itertools import product
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["WindowAttention"]


class WindowAttention(nn.Module):
    """Every pixel attends to the pixels of its window, with a learned bias for each offset between two.

    Liu et al. 2021, "Swin Transformer", arXiv:2103.14030, sec. 3.2 and eq. 4, in any dimension. Three things
    are free of the map's size, so that a recorded graph is too: windows at the far end reach over it and what
    lies beyond is attended to by nobody (where others attend to the zeros they pad with); where the shift
    joins both ends of the map in one window they do not see each other; and an axis of a single window is not
    shifted.

    Args:
        window: Pixels per axis; a single number is for all.
        shifted: Shift the windows by half their size.
        head_dim: Channels per head.
    """

    offsets: Tensor

    def __init__(
        self,
        ndim: int,
        channels: int,
        *,
        window: int | Sequence[int] = 7,
        shifted: bool = False,
        head_dim: int = 32,
    ) -> None:
        super().__init__()
        if channels % head_dim:
            raise ValueError(f"heads of {head_dim} channels do not divide {channels}; change head_dim")
        self.window = (window,) * ndim if isinstance(window, int) else tuple(window)
        if len(self.window) != ndim or min(self.window) < 1:
            raise ValueError(f"window {list(self.window)} must list {ndim} sizes, 1 or more")
        self.shift = tuple(w // 2 if shifted else 0 for w in self.window)
        self.heads = channels // head_dim
        self.qkv, self.out = nn.Linear(channels, 3 * channels), nn.Linear(channels, channels)
        self.table = nn.Parameter(torch.empty(prod(2 * w - 1 for w in self.window), self.heads))
        self.table.no_weight_decay = True  # type: ignore[attr-defined]
        nn.init.trunc_normal_(self.table, std=0.02)
        self.register_buffer("offsets", _offsets(self.window), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same."""
        plan = self._plan(x)
        tokens = x.flatten(2).transpose(1, 2).index_select(1, plan.taken)  # (B, windows * T, C)
        pixels = self.offsets.shape[0]
        qkv = torch.unflatten(self.qkv(tokens), 1, (-1, pixels))
        qkv = torch.unflatten(qkv, 3, (3, self.heads, -1))  # (B, windows, T, 3, heads, d)
        q, k, v = qkv.permute(3, 0, 1, 4, 2, 5).flatten(2, 3).unbind()  # (B, windows * heads, T, d)
        bias = self.table[self.offsets].permute(2, 0, 1)  # (heads, T, T)
        mask = bias.masked_fill(~plan.seen.unsqueeze(1), float("-inf")).flatten(0, 1)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask.unsqueeze(0).to(q.dtype))
        out = torch.unflatten(out, 1, (-1, self.heads)).transpose(2, 3).flatten(3).flatten(1, 2)
        out = self.out(out.index_select(1, plan.given))
        return torch.unflatten(out.transpose(1, 2), 2, x.shape[2:])

    def _plan(self, x: Tensor) -> "_Plan":
        taken: list[Tensor] = []
        groups: list[Tensor] = []
        given: list[Tensor] = []
        pixels = self.offsets.shape[0]
        # distances along an axis: of pixels in the map, of windows in their grid, of pixels in a window
        apart, windows_apart, within_apart = 1, pixels, 1
        for size, window, shift in reversed([*zip(x.shape[2:], self.window, self.shift, strict=True)]):
            count = (size + window - 1) // window
            first = torch.arange(count, device=x.device) * window
            place = first.unsqueeze(1) + torch.arange(window, device=x.device)  # (windows, window)
            home = torch.arange(size, device=x.device)
            if shift:
                last = first[-1]
                step, end = shift * (last > 0), last + window  # a single window is not shifted
                place, home = place + step, home - step
                wrapped = place >= end
                place = torch.where(wrapped, place - end, place)
                home = torch.where(home < 0, home + end, home)
            beyond = place >= size
            # what came round the end of the map is one group, what lies beyond it another
            group = torch.where(beyond, 2, wrapped.long()) if shift else beyond.long()
            groups.insert(0, 3 ** len(groups) * group)
            taken.insert(0, place.masked_fill(beyond, 0) * apart)
            given.insert(0, home // window * (windows_apart - window * within_apart) + home * within_apart)
            apart, windows_apart, within_apart = apart * size, windows_apart * count, within_apart * window
        label = _every(groups).view(-1, pixels)
        return _Plan(
            _every(taken).flatten(), label.unsqueeze(1) == label.unsqueeze(2), _every(given).flatten()
        )


class _Plan(NamedTuple):
    """Which pixel each place in the windows takes, who sees whom, which place is each pixel's."""

    taken: Tensor  # (windows * T,)
    seen: Tensor  # (windows, T, T)
    given: Tensor  # (pixels,)


def _every(axes: list[Tensor]) -> Tensor:
    """Sums of a number from each axis, over all choices: (a, u) and (b, v) to (a, b, u, v)."""
    count = len(axes)
    return reduce(
        torch.add,
        (
            axis[tuple(slice(None) if k == place else None for _ in axis.shape for k in range(count))]
            for place, axis in enumerate(axes)
        ),
    )


def _offsets(window: tuple[int, ...]) -> Tensor:
    """Row of the bias table for every two pixels of a window, (T, T)."""
    pixels = torch.tensor(list(product(*map(range, window))), device="cpu")
    difference = pixels.unsqueeze(1) - pixels + torch.tensor(window, device="cpu") - 1
    index = torch.zeros(difference.shape[:2], dtype=torch.long, device="cpu")
    for axis, w in enumerate(window):
        index = index * (2 * w - 1) + difference[..., axis]
    return index
