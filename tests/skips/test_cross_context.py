from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from unetzoo.levels import Gate, Level
from unetzoo.skips import CrossContext

SKIP, GATE = Level(6, (1, 1)), Gate(8, (1, 1), Level(8, (2, 2)))


def merge(skip: Level = SKIP, gate: Gate = GATE, **options: Any) -> Any:
    torch.manual_seed(0)
    small = {"heads": 2, "head_dim": 3}
    pathway = CrossContext([skip, Level(8, (2, 2))], [gate], **(small | options))
    return pathway.merges[0].double()


def rows(size: tuple[int, int] = (3, 4)) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    skip, gate = (torch.randn(2, c, *size, dtype=torch.float64, generator=generator) for c in (6, 8))
    return skip, gate


def silence(module: Any) -> None:
    for part in (*module.by_skip, *module.by_gate):
        for parameter in part.out.parameters():
            nn.init.zeros_(parameter)


def test_the_single_query_attends_as_any_would() -> None:
    read: Any = merge().by_gate[0]
    token = torch.randn(2, 1, 8, dtype=torch.float64)
    context = torch.randn(2, 5, 6, dtype=torch.float64)
    own = read.norm(read.into(token))
    k, v = read.kv(torch.cat([own, context], 1)).chunk(2, -1)
    q, k, v = (t.unflatten(2, (2, 3)).transpose(1, 2) for t in (read.q(own), k, v))
    expected = read.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
    torch.testing.assert_close(read(token, context), expected)


def test_without_attention_the_first_pixel_becomes_the_mean_and_the_others_stay() -> None:
    module, (skip, gate) = merge(faithful=True), rows()
    silence(module)
    plain, out = torch.cat([skip, gate], 1).flatten(2), module(skip, gate, gate).flatten(2)
    torch.testing.assert_close(out[..., 0], plain.mean(2))
    assert torch.equal(out[..., 1:], plain[..., 1:])


def test_by_default_every_pixel_is_told_the_same() -> None:
    module, (skip, gate) = merge(), rows()
    told = (module(skip, gate, gate) - torch.cat([skip, gate], 1)).flatten(2)
    assert told.abs().min() > 1e-4
    torch.testing.assert_close(told, told[..., :1].expand_as(told))


@pytest.mark.parametrize("faithful", [False, True])
def test_moving_pixels_moves_the_result_alike(faithful: bool) -> None:
    module, (skip, gate) = merge(faithful=faithful), rows()
    # the first pixel is given up in the faithful form, so it stays where it is
    order = torch.tensor([0, 5, 3, 8, 1, 11, 2, 9, 4, 10, 7, 6])
    moved = [torch.unflatten(t.flatten(2)[..., order], 2, (3, 4)) for t in (skip, gate)]
    out = torch.unflatten(module(skip, gate, gate).flatten(2)[..., order], 2, (3, 4))
    torch.testing.assert_close(module(*moved, gate), out)


@pytest.mark.parametrize(("channels", "expected"), [(96, 787_584), (192, 1_575_168), (384, 3_150_336)])
def test_a_row_has_the_size_of_the_authors(
    channels: int, expected: int, count: Callable[[nn.Module], int]
) -> None:
    level, gate = Level(channels, (1, 1)), Gate(channels, (1, 1), Level(channels, (2, 2)))
    assert count(merge(level, gate, heads=8, head_dim=64, faithful=True)) == expected
    assert count(merge(level, gate, heads=8, head_dim=64)) == expected + 2 * channels**2


def test_the_cost_is_linear_in_the_number_of_pixels() -> None:
    module = merge()

    def flops(height: int) -> int:
        with FlopCounterMode(display=False) as counter:
            module(*rows((height, 8)), None)
        return int(counter.get_total_flops())

    assert flops(24) - flops(16) == flops(16) - flops(8) > 0


def test_giving_up_a_pixel_is_not_the_identity() -> None:
    with pytest.raises(ValueError, match="identity_init=true cannot hold with faithful=true"):
        merge(faithful=True, identity_init=True)
