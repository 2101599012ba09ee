"""What the kernels of the scan share: which channels a program takes, and the tokens it reads at a time."""

# Triton compiles what follows, with types of its own
# mypy: ignore-errors
import triton
import triton.language as tl

__all__ = ["LOG2E", "block_of", "rows_of", "tile_of", "values_of", "widths_of"]

LOG2E = tl.constexpr(1.4426950408889634)


@triton.jit
def block_of(blocks, groups, width, state, BLOCK: tl.constexpr, STATES: tl.constexpr):
    """What a program takes.

    The sequence of the batch; channels, and which of them exist; where (states, channels) lie in A, and which
    exist; where the group's states lie in a row of B, and which exist.
    """
    item = tl.program_id(0).to(tl.int64)
    within = item % blocks * BLOCK + tl.arange(0, BLOCK)
    group = item // blocks % groups
    channels = group * width + within
    states = tl.arange(0, STATES)
    own = channels[None, :] * state + states[:, None]
    held = (within < width)[None, :] & (states < state)[:, None]
    shared = group * state + states
    return item // blocks // groups, channels, within < width, own, held, shared, states < state


@triton.jit
def tile_of(first, b, line, shown, read, reverse: tl.constexpr, TILE: tl.constexpr):
    """Where the tokens of a tile's steps lie, and which columns of channels and of states they have.

    ``line`` is (length, fast, apart); steps beyond the length have no columns.
    """
    length, fast, apart = line
    tokens, channels_there, states_there = (), (), ()
    for i in tl.static_range(TILE):
        step = length - 1 - first - i if reverse else first + i
        within = step % (fast * apart)
        tokens += (b * length + (step - within + within % fast * apart + within // fast),)
        # as vectors: a scalar comparison is no boolean to Triton's interpreter
        channels_there += (shown & (tl.full(shown.shape, first + i, tl.int32) < length),)
        states_there += (read & (tl.full(read.shape, first + i, tl.int32) < length),)
    return tokens, channels_there, states_there


@triton.jit
def rows_of(x, tokens, row, columns, there, TILE: tl.constexpr):
    """These columns of a tile's tokens; zero where there is none."""
    rows = ()
    for i in tl.static_range(TILE):
        rows += (tl.load(x + tokens[i] * row + columns, there[i], other=0.0).to(tl.float32),)
    return rows


@triton.jit
def widths_of(raws, shift, there, softplus: tl.constexpr, TILE: tl.constexpr):
    """Step widths of a tile, zero where there is no step."""
    widths = ()
    for i in tl.static_range(TILE):
        raw = raws[i] + shift
        if softplus:
            # max(x, 0) + log(1 + e), e = exp(-|x|); the logarithm is 2 artanh(e / (2 + e))
            e = tl.exp(-tl.abs(raw))
            s = e / (2.0 + e)
            s2 = s * s
            p = 1.0 / 13 * s2 + 1.0 / 11
            p = p * s2 + 1.0 / 9
            p = p * s2 + 1.0 / 7
            p = p * s2 + 1.0 / 5
            p = p * s2 + 1.0 / 3
            p = p * s2 + 1.0
            raw = tl.where(raw < 0, 0.0, raw) + 2.0 * s * p
        widths += (tl.where(there[i], raw, 0.0),)
    return widths


@triton.jit
def values_of(x, channels, shown, BLOCK: tl.constexpr):
    """One value per channel, zero without any."""
    if x is None:
        return tl.zeros((BLOCK,), tl.float32)
    else:
        return tl.load(x + channels, shown, other=0.0).to(tl.float32)
