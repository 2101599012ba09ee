"""The selective scan of maps: sizes as published, who sees whom, and what a transposed map gives."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from unetzoo.blocks import SS2D, VSS, vss
from unetzoo.blocks.ss2d import ScannedMap


def sees(block: nn.Module, size: tuple[int, ...]) -> Tensor:
    """(pixels, pixels): whether the second changes where the first one does."""
    x = torch.randn(1, 4, *size, dtype=torch.float64)
    pixels = x[0, 0].numel()
    changes = torch.eye(pixels).unsqueeze(1) * torch.randn(4, 1, dtype=torch.float64)
    with torch.no_grad():
        before, after = block.double()(x), block(torch.unflatten(x.flatten(2) + changes, 2, size))
    changed: Tensor = (after - before).abs().sum(1).flatten(1) > 0
    return changed


@pytest.mark.parametrize(("channels", "expected"), [(64, 55_936), (128, 169_216), (256, 567_808)])
def test_blocks_have_their_published_size(
    channels: int, expected: int, count: Callable[[nn.Module], int]
) -> None:
    with torch.device("meta"):
        assert count(VSS(2, channels)) == expected


def test_a_scan_of_width_96_has_vmambas_shapes() -> None:
    with torch.device("meta"):
        mixer: Any = SS2D(2, 96)
    assert mixer.enter.weight.shape[:2] == (384, 96)
    assert mixer.local.weight.shape == (192, 1, 3, 3)
    spaces = [space for pair in mixer.scan.spaces for space in pair]
    assert len(spaces) == 4
    for space in spaces:
        assert space.project.weight.shape == (38, 192)
        assert space.steps.weight.shape == (192, 6)
        assert space.log_decay.shape == (192, 16)


@pytest.mark.parametrize("size", [(4, 5), (1, 6), (2, 3, 2)])
@pytest.mark.parametrize("scan", ["ss2d", "cascade", "bidirectional"])
def test_every_pixel_sees_every_pixel(scan: Any, size: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    assert sees(VSS(len(size), 4, state=2, scan=scan), size).all()


def test_diagonals_taken_both_ways_see_every_pixel_and_once_do_not() -> None:
    torch.manual_seed(0)
    for backwards, expected in ((False, False), (True, True)):
        scanned = ScannedMap(2, 4, scan="cs2d", backwards=backwards, state=2, rank=1)
        assert bool(sees(scanned, (3, 4)).all()) is expected


@pytest.mark.parametrize(("scan", "ways"), [("ss2d", 4), ("cs2d", 4), ("bidirectional", 2)])
def test_maps_are_laid_out_and_put_back_once_per_way(scan: Any, ways: int) -> None:
    """With nothing but the bypass left of each state space, a scan is the sum of its ways."""
    scanned: Any = ScannedMap(2, 3, scan=scan, state=2, rank=1)
    with torch.no_grad():
        for pair in scanned.spaces:
            for space in pair:
                space.project.weight.zero_()
    x = torch.randn(2, 3, 4, 5)
    torch.testing.assert_close(scanned(x), ways * x)


@pytest.mark.parametrize("size", [(4, 5), (1, 6), (2, 3, 4)])
@pytest.mark.parametrize("memory", ["plain", "channels_last"])
def test_orders_in_place_are_those_of_copies(size: tuple[int, ...], memory: str) -> None:
    torch.manual_seed(0)
    scanned = ScannedMap(len(size), 6, state=3, rank=2)
    x = torch.randn(2, 6, *size)
    x = x if memory == "plain" else x.movedim(1, -1).contiguous().movedim(-1, 1)
    orders = range(len(size))
    torch.testing.assert_close(scanned.in_place(orders, x), scanned.copied(orders, x))


def test_a_transposed_map_gives_the_transposed_answer_if_rows_and_columns_change_roles() -> None:
    torch.manual_seed(0)
    block, other = ScannedMap(2, 3, state=2, rank=1), ScannedMap(2, 3, state=2, rank=1)
    rows, columns = (pair.state_dict() for pair in block.spaces)
    other.spaces[0].load_state_dict(columns)
    other.spaces[1].load_state_dict(rows)
    x = torch.randn(2, 3, 4, 5)
    torch.testing.assert_close(other(x.mT), block(x).mT)


@pytest.mark.parametrize("options", [{}, {"mlp_ratio": 2.0}, {"gate": False, "bias": False, "ratio": 1}])
def test_it_starts_as_the_identity_where_asked_to(options: dict[str, Any]) -> None:
    x = torch.randn(1, 4, 3, 5)
    assert torch.equal(VSS(2, 4, state=2, identity_init=True, **options)(x), x)
    assert not torch.equal(VSS(2, 4, state=2, **options)(x), x)


def test_it_takes_another_width() -> None:
    assert vss(3, 4, 6, state=2)(torch.randn(1, 4, 2, 3, 4)).shape == (1, 6, 2, 3, 4)
