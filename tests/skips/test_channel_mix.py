from typing import Any

import torch
from torch import nn

from unetzoo.blocks import ChannelMix, neighbor_shift
from unetzoo.levels import Gate, Level
from unetzoo.skips import ChannelMixSkip

ROWS = [Level(4, (1, 1)), Level(6, (2, 2)), Level(8, (4, 4))]
GATES = [Gate(6, (1, 1), ROWS[1]), Gate(8, (2, 2), ROWS[2])]


def test_groups_of_channels_come_from_the_neighbours_and_the_rest_stays() -> None:
    x = torch.zeros(1, 6, 3, 5)
    x[:, :, 1, 2] = 1
    # right, left, down, up, and two that stay
    expected = [(1, 3), (1, 1), (2, 2), (0, 2), (1, 2), (1, 2)]
    assert [tuple(c.nonzero()[0].tolist()) for c in neighbor_shift(x)[0]] == expected


def test_a_volume_has_six_directions_and_zeros_come_in() -> None:
    x = torch.ones(1, 7, 3, 4, 5)
    moved = neighbor_shift(x)[0]
    for channel, (axis, index) in enumerate([(2, 0), (2, -1), (1, 0), (1, -1), (0, 0), (0, -1)]):
        assert moved[channel].select(axis, index).abs().max() == 0
        assert moved[channel].sum() == 60 - 60 / moved[channel].shape[axis]
    assert torch.equal(moved[6], x[0, 6])


def test_mixing_equals_the_formula() -> None:
    torch.manual_seed(0)
    mix = ChannelMix(2, 8).double()
    for share in (mix.share_k, mix.share_r):
        nn.init.uniform_(share)
    x = torch.randn(2, 8, 3, 4, dtype=torch.float64)
    moved = neighbor_shift(x)
    key, gate = (x * share + moved * (1 - share) for share in (mix.share_k, mix.share_r))
    value = mix.w_v(mix.norm(mix.w_k(key).relu() ** 2))
    torch.testing.assert_close(mix(x), mix.w_r(gate).sigmoid() * value)


def test_without_values_only_the_residual_remains() -> None:
    torch.manual_seed(0)
    skip: Any = ChannelMixSkip(ROWS, GATES).double()
    nn.init.zeros_(skip.mix.w_v.weight)
    # of unequal sides
    f = [torch.randn(1, c, 8 // s[0], 12 // s[1], dtype=torch.float64) for c, s in ROWS]
    *rows, bottleneck = skip(f)
    assert bottleneck is f[-1]
    for enter, leave, x, out in zip(skip.enter, skip.leave, f, rows, strict=False):
        torch.testing.assert_close(out, leave(enter(x)))
        assert out.shape == x.shape


def test_every_row_sees_every_other() -> None:
    torch.manual_seed(0)
    skip: Any = ChannelMixSkip(ROWS, GATES).eval()
    f = [torch.randn(1, c, 8 // s[0], 8 // s[1], requires_grad=True) for c, s in ROWS]
    for out in skip(f)[:-1]:
        grads = torch.autograd.grad(out.square().sum(), f[:-1], retain_graph=True)
        assert all(grad.abs().sum() > 0 for grad in grads)
