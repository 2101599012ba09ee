from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from unetzoo.levels import Gate, Level
from unetzoo.skips import AttentionBridge


def bridge(*widths: int, ndim: int = 2) -> AttentionBridge:
    torch.manual_seed(0)
    rows = [Level(c, (2**i,) * ndim) for i, c in enumerate(widths)]
    gates = [
        Gate(c, row.stride, rows[i + 1]) for i, (c, row) in enumerate(zip(widths, rows[:-1], strict=False))
    ]
    return AttentionBridge(rows, gates)


def test_five_rows_have_the_size_of_the_authors(count: Callable[[nn.Module], int]) -> None:
    # 7x7x2 + 1 for pixels, 3 along the channels, 128 x 128 + 128 for their weights
    assert count(bridge(8, 16, 24, 32, 48, 64)) == 16_614 == 99 + 3 + 128 * 128 + 128


def test_the_channels_of_a_row_are_weighed_by_the_means_of_all_rows() -> None:
    skip = bridge(3, 5, 7)
    f = [torch.randn(2, 3, 8, 12), torch.randn(2, 5, 4, 6), torch.randn(2, 7, 2, 3)]
    spatial = skip.spatial.conv
    kept, weighed = [], []
    for t in f[:2]:
        seen = torch.cat([t.mean(1, keepdim=True), t.amax(1, keepdim=True)], 1)
        p = t * F.conv2d(seen, spatial.weight, spatial.bias, padding=9, dilation=3).sigmoid()  # type: ignore[arg-type]
        weighed.append(p)
        kept.append(p + t)
    means = torch.cat([u.mean((2, 3)) for u in kept], 1)
    means = F.conv1d(means[:, None], skip.mix.weight, padding=1)[:, 0]
    out = skip(f)
    for k, (u, p) in enumerate(zip(kept, weighed, strict=True)):
        weights = skip.weigh[k](means).sigmoid()[:, :, None, None]
        torch.testing.assert_close(out[k], u * weights + p)
    assert out[2] is f[2]
