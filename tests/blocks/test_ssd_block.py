"""The block of Mamba-2 is the published one."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from unetzoo.blocks import MambaLayer, SSDBlock
from unetzoo.ops.ssd import ssd_step_by_step


def test_it_is_the_published_block() -> None:
    torch.manual_seed(0)
    block, x = SSDBlock(8, state=3, head=4).double(), torch.randn(2, 9, 8, dtype=torch.float64)
    z, mixed, steps = torch.split(x @ block.into.weight.T, [16, 22, 4], -1)
    mixed = F.silu(F.conv1d(mixed.mT, block.conv.weight, block.conv.bias, padding=3, groups=22)[..., :9].mT)
    u, into, out = torch.split(mixed, [16, 3, 3], -1)
    u, delta = torch.unflatten(u, -1, (4, 4)), F.softplus(steps + block.step_bias)
    decay = -block.log_decay.float().exp().double()
    args = (u[:, :, None], delta[:, :, None], decay[None], into[:, :, None], out[:, :, None])
    y = ssd_step_by_step(*args)[:, :, 0] + block.bypass[:, None] * u
    y = y.flatten(2) * F.silu(z)
    y = y / (y.square().mean(-1, keepdim=True) + 1e-5).sqrt() * block.norm.weight
    torch.testing.assert_close(block(x), y @ block.out.weight.T)
    torch.testing.assert_close(block(x, reverse=True), block(x.flip(1)).flip(1))


def test_steps_and_decays_start_as_published_and_do_not_decay(count: Callable[[nn.Module], int]) -> None:
    torch.manual_seed(0)
    block = SSDBlock(256, state=128, head=8)
    steps, decays = F.softplus(block.step_bias).detach(), block.log_decay.detach().exp()
    assert 1e-3 <= float(steps.min()) < 3e-3
    assert 3e-2 < float(steps.max()) <= 1e-1 + 1e-6
    assert 1 <= float(decays.min()) < float(decays.max()) <= 16
    kept = {name for name, p in block.named_parameters() if getattr(p, "no_weight_decay", False)}
    assert kept == {"step_bias", "log_decay", "bypass"}
    # Mamba-2 of width 256: into 256 x (2 x 512 + 2 x 128 + 64), conv 768 x 5, 3 per head, norm 512, out
    assert count(block) == 256 * 1344 + 768 * 5 + 3 * 64 + 512 + 512 * 256


def test_heads_are_as_wide_as_the_width_allows() -> None:
    assert [SSDBlock(c).head for c in (3, 24, 32, 64)] == [2, 16, 64, 64]
    x = torch.randn(1, 3, 5, 4)
    assert MambaLayer(2, 3, mixer=SSDBlock)(x).shape == x.shape
