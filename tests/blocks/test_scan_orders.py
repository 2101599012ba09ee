"""Every order meets every pixel once, and undoes itself."""

from typing import Any

import pytest
import torch
from torch import Tensor

from unetzoo.blocks.scan_orders import Diagonal, Innermost, Lines, Order, orders_of

SIZES = [(3, 4), (4, 3), (5, 5), (1, 6), (6, 1), (1, 1), (2, 3, 4), (3, 1, 5)]


def numbered(size: tuple[int, ...]) -> Tensor:
    return torch.arange(int(torch.tensor(size).prod())).view(1, 1, *size)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scan", ["ss2d", "cs2d", "cascade", "bidirectional"])
def test_every_pixel_is_met_once_and_put_back(scan: Any, size: tuple[int, ...]) -> None:
    for order in orders_of(scan, len(size)):
        x = torch.randn(2, 3, *size)
        assert torch.equal(order.image(order.tokens(x), size), x)
        assert torch.equal(order.tokens(numbered(size)).flatten().sort().values, numbered(size).flatten())


@pytest.mark.parametrize(
    ("order", "met"),
    [
        (Innermost(1), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
        (Innermost(0), [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]),
        (Diagonal(), [8, 4, 9, 0, 5, 10, 1, 6, 11, 2, 7, 3]),
        (Diagonal(anti=True), [0, 1, 4, 2, 5, 8, 3, 6, 9, 7, 10, 11]),
    ],
)
def test_pixels_of_a_map_of_3_rows_are_met_in_the_papers_order(order: Order, met: list[int]) -> None:
    assert order.tokens(numbered((3, 4))).flatten().tolist() == met


def test_lines_are_sequences_of_their_own() -> None:
    assert Lines(1).tokens(numbered((2, 3)))[..., 0].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert Lines(0).tokens(numbered((2, 3)))[..., 0].tolist() == [[0, 3], [1, 4], [2, 5]]


def test_in_a_volume_every_axis_is_fastest_once() -> None:
    steps = [int(order.tokens(numbered((2, 3, 5)))[0, 1, 0]) for order in orders_of("ss2d", 3)]
    assert steps == [1, 5, 15]


def test_a_transposed_map_is_met_column_by_column_and_along_the_reversed_diagonals() -> None:
    x = torch.randn(1, 2, 4, 5)
    assert torch.equal(Innermost(1).tokens(x), Innermost(0).tokens(x.mT))
    # diagonals come in the reverse order, and each of them keeps its direction
    there, back = Diagonal().tokens(numbered((3, 3)).mT), Diagonal().tokens(numbered((3, 3)))
    diagonals = torch.split(back.flatten(), [1, 2, 3, 2, 1])
    assert torch.equal(there.flatten(), torch.cat(diagonals[::-1]))


def test_unknown_scans_are_refused() -> None:
    with pytest.raises(ValueError, match="scan 'spiral' is unknown"):
        orders_of("spiral", 2)  # type: ignore[arg-type]
