"""The gradient of the scan in Triton, from the states between segments; see `gpu_forward`."""

# Triton compiles what follows, with types of its own
# mypy: ignore-errors
import triton
import triton.language as tl

from unetzoo.ops.selective_scan.gpu_tiles import LOG2E, block_of, rows_of, tile_of, values_of, widths_of

__all__ = ["backward", "hand_back"]


@triton.jit
def hand_back(
    dy,
    delta,
    A,
    C,
    z,
    bias,
    handed,
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
    STEPS: tl.constexpr,
    TILE: tl.constexpr,
    BLOCK: tl.constexpr,
    STATES: tl.constexpr,
):
    """The first pass of `backward`: the gradient that a chunk hands back to the one before, from zero."""
    b, channels, shown, own, held, shared, read = block_of(blocks, groups, width, state, BLOCK, STATES)
    line, row, states_row = (length, fast, apart), groups * width, groups * state
    chunk = tl.program_id(1) + 1
    rate = tl.load(A + own, held, other=0.0) * LOG2E
    shift = values_of(bias, channels, shown, BLOCK)
    total = tl.zeros((BLOCK,), tl.float32)
    grad = tl.zeros((STATES, BLOCK), tl.float32)
    begin, end = chunk * per_chunk * STEPS, tl.minimum(length, (chunk + 1) * per_chunk * STEPS)
    tiles = tl.cdiv(end - begin, TILE)
    for tile in range(0, tiles):
        first = begin + (tiles - 1 - tile) * TILE
        tokens, there, read_there = tile_of(first, b, line, shown, read, reverse, TILE)
        dys = rows_of(dy, tokens, row, channels, there, TILE)
        raws = rows_of(delta, tokens, row, channels, there, TILE)
        Cs = rows_of(C, tokens, states_row, shared, read_there, TILE)
        if z is not None:
            zs = rows_of(z, tokens, row, channels, there, TILE)
        widths = widths_of(raws, shift, there, softplus, TILE)
        for i in tl.static_range(TILE - 1, -1, -1):
            out = dys[i]
            if z is not None:
                out *= zs[i] / (1.0 + tl.exp(-zs[i]))
            grad = tl.exp2(widths[i][None, :] * rate) * (out[None, :] * Cs[i][:, None] + grad)
            total += widths[i]
    tl.store(handed + (chunk * batch + b) * row * state + own, grad, held)
    tl.store(totals + (chunk * batch + b) * row + channels, total, shown)


@triton.jit
def backward(
    dy,
    u,
    delta,
    A,
    B,
    C,
    D,
    z,
    bias,
    starts,
    handed,
    scratch,
    du,
    ddelta,
    dA,
    dB,
    dC,
    dD,
    dz,
    dbias,
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
    STEPS: tl.constexpr,
    TILE: tl.constexpr,
    BLOCK: tl.constexpr,
    STATES: tl.constexpr,
):
    """All gradients; of A, D and the bias those of one chunk and sequence, of B and C those of one block.

    States are made again segment by segment: once through it for those at the start of each tile, kept in
    ``scratch``, and once through each tile, in registers.
    """
    b, channels, shown, own, held, shared, read = block_of(blocks, groups, width, state, BLOCK, STATES)
    line, row, states_row = (length, fast, apart), groups * width, groups * state
    chunk = tl.program_id(1)
    states_of_all = row * state * tl.cast(batch, tl.int64)
    own_start = b * row * state + own
    rate = tl.load(A + own, held, other=0.0) * LOG2E
    shift = values_of(bias, channels, shown, BLOCK)
    bypass = values_of(D, channels, shown, BLOCK)
    tiles_of_all: tl.constexpr = STEPS // TILE
    program = tl.program_id(1).to(tl.int64) * tl.num_programs(0) + tl.program_id(0)
    cells = tl.arange(0, BLOCK)[None, :] * STATES + tl.arange(0, STATES)[:, None]
    kept = scratch + program * (tiles_of_all * STATES * BLOCK) + cells
    partial = tl.program_id(0) % blocks * (tl.cast(batch, tl.int64) * length * states_row)
    if handed is None:
        grad = tl.zeros((STATES, BLOCK), tl.float32)
    else:
        grad = tl.load(handed + chunk * states_of_all + own_start, held, other=0.0)
    sum_A = tl.zeros((STATES, BLOCK), tl.float32)
    sum_D = tl.zeros((BLOCK,), tl.float32)
    sum_bias = tl.zeros((BLOCK,), tl.float32)
    last = tl.minimum(tl.cdiv(length, STEPS), (chunk + 1) * per_chunk)
    for before in range(chunk * per_chunk, last):
        segment = chunk * per_chunk + last - 1 - before
        begin = segment * STEPS
        tiles = tl.cdiv(tl.minimum(length - begin, STEPS), TILE)
        h = tl.load(starts + segment * states_of_all + own_start, held, other=0.0)
        for tile in range(0, tiles):
            tl.store(kept + tile * (STATES * BLOCK), h)
            if tile + 1 < tiles:
                first = begin + tile * TILE
                tokens, there, read_there = tile_of(first, b, line, shown, read, reverse, TILE)
                us = rows_of(u, tokens, row, channels, there, TILE)
                raws = rows_of(delta, tokens, row, channels, there, TILE)
                Bs = rows_of(B, tokens, states_row, shared, read_there, TILE)
                widths = widths_of(raws, shift, there, softplus, TILE)
                for i in tl.static_range(TILE):
                    h = tl.exp2(widths[i][None, :] * rate) * h + (widths[i] * us[i])[None, :] * Bs[i][:, None]
        # what one thread wrote another may read
        tl.debug_barrier()
        for passed_tiles in range(0, tiles):
            tile = tiles - 1 - passed_tiles
            first = begin + tile * TILE
            h = tl.load(kept + tile * (STATES * BLOCK))
            tokens, there, read_there = tile_of(first, b, line, shown, read, reverse, TILE)
            us = rows_of(u, tokens, row, channels, there, TILE)
            raws = rows_of(delta, tokens, row, channels, there, TILE)
            dys = rows_of(dy, tokens, row, channels, there, TILE)
            Bs = rows_of(B, tokens, states_row, shared, read_there, TILE)
            Cs = rows_of(C, tokens, states_row, shared, read_there, TILE)
            if z is not None:
                zs = rows_of(z, tokens, row, channels, there, TILE)
            widths = widths_of(raws, shift, there, softplus, TILE)
            states, decays, outs = (h,), (), ()
            for i in tl.static_range(TILE):
                a = tl.exp2(widths[i][None, :] * rate)
                h = a * h + (widths[i] * us[i])[None, :] * Bs[i][:, None]
                out = dys[i]
                if z is not None:
                    opened = 1.0 / (1.0 + tl.exp(-zs[i]))
                    y = tl.sum(h * Cs[i][:, None], 0) + bypass * us[i]
                    dgate = out * y * opened * (1.0 + zs[i] * (1.0 - opened))
                    tl.store(dz + tokens[i] * row + channels, dgate, there[i])
                    out *= zs[i] * opened
                states += (h,)
                decays += (a,)
                outs += (out,)
            for i in tl.static_range(TILE - 1, -1, -1):
                w, out = widths[i], outs[i]
                grad += out[None, :] * Cs[i][:, None]
                by_input = tl.sum(grad * Bs[i][:, None], 0)
                dB_ = tl.sum(grad * (w * us[i])[None, :], 1)
                dC_ = tl.sum(states[i + 1] * out[None, :], 1)
                grad = decays[i] * grad
                # g_t a_t h_(t-1)
                passed = grad * states[i]
                sum_A += passed * w[None, :]
                dwidth = us[i] * by_input + tl.sum(passed * rate, 0) * (1.0 / LOG2E)
                if softplus:
                    dwidth /= 1.0 + tl.exp(-raws[i] - shift)
                sum_D += out * us[i]
                sum_bias += tl.where(there[i], dwidth, 0.0)
                tl.store(du + tokens[i] * row + channels, w * by_input + bypass * out, there[i])
                tl.store(ddelta + tokens[i] * row + channels, dwidth, there[i])
                tl.store(dB + partial + tokens[i] * states_row + shared, dB_, read_there[i])
                tl.store(dC + partial + tokens[i] * states_row + shared, dC_, read_there[i])
        # the next segment's states go where this one's were
        tl.debug_barrier()
    item = chunk * batch + b
    tl.store(dA + item * row * state + own, sum_A, held)
    if D is not None:
        tl.store(dD + item * row + channels, sum_D, shown)
    if bias is not None:
        tl.store(dbias + item * row + channels, sum_bias, shown)
