"""A recurrent merge of skip and decoder."""

from collections.abc import Sequence
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from unetzoo.levels import Gate, Level
from unetzoo.nd import conv
from unetzoo.skips.base import Merge, SkipPathway

__all__ = ["ConvLSTMSkip"]


class ConvLSTMSkip(SkipPathway):
    """Read skip and decoder as a sequence of two, with a convolutional LSTM.

    Azad et al. 2019, "BCDU-Net", arXiv:1909.00166, after Shi et al. 2015, arXiv:1506.04214, without
    peepholes. The LSTM reads both ways and a 3x3 convolution and tanh join what either way ends on; the
    authors' code reads backwards only, the decoder first and the skip last. Two steps are few: they are
    written out, so that an exported graph has no loop.

    Where skip and decoder differ in width, the wider one is projected to the other's first.

    Args:
        bidirectional: Read both ways, as the paper says; else backwards only, as its code does.
        channels: Width of the merge as a fraction of theirs.

    Raises:
        ValueError: If ``channels`` leaves a level without any.
    """

    def __init__(
        self,
        encoder: Sequence[Level],
        decoder: Sequence[Gate],
        *,
        bidirectional: bool = True,
        channels: float = 0.5,
    ) -> None:
        super().__init__(
            encoder, decoder, merge=partial(_Recurrent, bidirectional=bidirectional, fraction=channels)
        )


class _Recurrent(Merge):
    def __init__(self, skip: Level, gate: Gate, *, bidirectional: bool, fraction: float) -> None:
        super().__init__()
        ndim, width = len(skip.stride), min(skip.channels, gate.channels)
        self.channels = int(width * fraction)
        if self.channels < 1:
            raise ValueError(f"channels={fraction} leaves none of {width}; raise it")
        self.project_skip, self.project_gate = (
            nn.Identity() if c == width else conv(ndim, c, width) for c in (skip.channels, gate.channels)
        )
        self.backward_cell = ConvLSTMCell(ndim, width, self.channels)
        self.forward_cell = ConvLSTMCell(ndim, width, self.channels) if bidirectional else None
        self.join = conv(ndim, 2 * self.channels, self.channels, 3) if bidirectional else None

    def forward(self, skip: Tensor, gate: Tensor, coarse: Tensor) -> Tensor:
        skip, gate = self.project_skip(skip), self.project_gate(gate)
        last: Tensor = self.backward_cell([gate, skip])
        if self.forward_cell is None or self.join is None:
            return last
        return cast(Tensor, self.join(torch.cat([self.forward_cell([skip, gate]), last], 1))).tanh()


class ConvLSTMCell(nn.Module):
    """``o * tanh(c)`` after a sequence, with ``c = f * c + i * tanh(g)`` and hard sigmoids for i, f, o.

    i, f, g, o are 3x3 convolutions of the input plus such of the state, which is zero at first; all as Keras
    has them, whose hard sigmoid is ``0.2 x + 0.5`` cut off at 0 and 1.
    """

    def __init__(self, ndim: int, c_in: int, channels: int) -> None:
        super().__init__()
        self.from_input = conv(ndim, c_in, 4 * channels, 3)
        self.from_state = conv(ndim, channels, 4 * channels, 3, bias=False)
        nn.init.xavier_uniform_(cast(Tensor, self.from_input.weight))
        nn.init.orthogonal_(cast(Tensor, self.from_state.weight))
        bias = torch.zeros(4 * channels)
        bias[channels : 2 * channels] = 1.0  # Keras opens the forget gate
        self.from_input.bias = nn.Parameter(bias)

    def forward(self, sequence: Sequence[Tensor]) -> Tensor:
        """Tensors (B, c_in, *size) in order to the last state, (B, channels, *size)."""
        state: Tensor | None = None
        cell: Tensor | None = None
        for x in sequence:
            z = self.from_input(x) if state is None else self.from_input(x) + self.from_state(state)
            i, f, g, o = z.chunk(4, 1)
            new = _hard_sigmoid(i) * g.tanh()
            cell = new if cell is None else _hard_sigmoid(f) * cell + new
            state = _hard_sigmoid(o) * cell.tanh()
        assert state is not None
        return state


def _hard_sigmoid(x: Tensor) -> Tensor:
    return (0.2 * x + 0.5).clamp(0, 1)
