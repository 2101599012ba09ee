"""The selective scan in Triton.

A program takes one block of neighbouring channels through one chunk of the sequence, step by step, with the
(states, channels) of the block in registers: no decay and no state but those between segments is ever
written. Chunks run side by side, so that a small batch fills a device: first each finds the state it would
end in from zero, `carry` hands these on, and then each runs from where it really starts. Steps beyond the end
have width zero, which neither decays nor adds anything. Tokens are read a tile at a time, all of them before
the first is used, because a row that is fetched only when it is needed takes longer than the step.
"""

# Triton compiles what follows, with types of its own
# mypy: ignore-errors
import triton
import triton.language as tl

from unetzoo.ops.selective_scan.gpu_tiles import LOG2E, block_of, rows_of, tile_of, values_of, widths_of

__all__ = ["carry", "forward"]


@triton.jit
def forward(
    u,
    delta,
    A,
    B,
    C,
    D,
    z,
    bias,
    y,
    starts,
    totals,
    batch,
    length,
    groups,
    width,
    state,
    fast,
    apart,
    blocks,
    per_chunk,
    softplus: tl.constexpr,
    reverse: tl.constexpr,
    carried: tl.constexpr,
    STEPS: tl.constexpr,
    TILE: tl.constexpr,
    BLOCK: tl.constexpr,
    STATES: tl.constexpr,
):
    """y and the states between segments; without y, what the first pass finds.

    That is the state in which a chunk ends from zero, left where the state it starts from will be, and the
    sum of its step widths.
    """
    b, channels, shown, own, held, shared, read = block_of(blocks, groups, width, state, BLOCK, STATES)
    line, row, states_row = (length, fast, apart), groups * width, groups * state
    chunk = tl.program_id(1)
    states_of_all = row * state * tl.cast(batch, tl.int64)
    own_start = b * row * state + own
    rate = tl.load(A + own, held, other=0.0) * LOG2E
    shift = values_of(bias, channels, shown, BLOCK)
    bypass = values_of(D, channels, shown, BLOCK)
    total = tl.zeros((BLOCK,), tl.float32)
    if carried:
        h = tl.load(starts + chunk * per_chunk * states_of_all + own_start, held, other=0.0)
    else:
        h = tl.zeros((STATES, BLOCK), tl.float32)
    for segment in range(chunk * per_chunk, tl.minimum(tl.cdiv(length, STEPS), (chunk + 1) * per_chunk)):
        if y is not None:
            tl.store(starts + segment * states_of_all + own_start, h, held)
        for first in range(segment * STEPS, tl.minimum(length, (segment + 1) * STEPS), TILE):
            tokens, there, read_there = tile_of(first, b, line, shown, read, reverse, TILE)
            us = rows_of(u, tokens, row, channels, there, TILE)
            raws = rows_of(delta, tokens, row, channels, there, TILE)
            Bs = rows_of(B, tokens, states_row, shared, read_there, TILE)
            if y is not None:
                Cs = rows_of(C, tokens, states_row, shared, read_there, TILE)
                if z is not None:
                    zs = rows_of(z, tokens, row, channels, there, TILE)
            widths = widths_of(raws, shift, there, softplus, TILE)
            for i in tl.static_range(TILE):
                h = tl.exp2(widths[i][None, :] * rate) * h + (widths[i] * us[i])[None, :] * Bs[i][:, None]
                if y is None:
                    total += widths[i]
                else:
                    out = tl.sum(h * Cs[i][:, None], 0) + bypass * us[i]
                    if z is not None:
                        out *= zs[i] / (1.0 + tl.exp(-zs[i]))
                    tl.store(y + tokens[i] * row + channels, out, there[i])
    if y is None:
        tl.store(starts + chunk * per_chunk * states_of_all + own_start, h, held)
        tl.store(totals + (chunk * batch + b) * row + channels, total, shown)


@triton.jit
def carry(
    ends,
    totals,
    A,
    chunks,
    apart,
    channels_of_all,
    channels,
    state,
    backwards: tl.constexpr,
    TILE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Write over the state each chunk ends in from zero, ``apart`` numbers apart, the one it starts from."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    shown = at < tl.cast(channels_of_all, tl.int64) * state
    rate = tl.load(A + at % (channels * state), shown, other=0.0) * LOG2E
    h = tl.zeros((BLOCK,), tl.float32)
    for first in range(0, chunks - 1, TILE):
        found, widths, places, there = (), (), (), ()
        for i in tl.static_range(TILE):
            chunk = chunks - 1 - first - i if backwards else first + i
            places += (chunk * tl.cast(apart, tl.int64) + at,)
            there += (shown & (tl.full((BLOCK,), first + i, tl.int32) < chunks - 1),)
            found += (tl.load(ends + places[i], there[i], other=0.0),)
            of = chunk * tl.cast(channels_of_all, tl.int64) + at // state
            widths += (tl.load(totals + of, there[i], other=0.0),)
        for i in tl.static_range(TILE):
            tl.store(ends + places[i], h, there[i])
            h = tl.exp2(widths[i] * rate) * h + found[i]
    chunk = 0 if backwards else chunks - 1
    tl.store(ends + chunk * tl.cast(apart, tl.int64) + at, h, shown)
