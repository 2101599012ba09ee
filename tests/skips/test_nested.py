from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from unetzoo import create_model
from unetzoo.levels import Gate, Level
from unetzoo.skips import NestedSkip

ROWS = [Level(3, (1, 1)), Level(4, (2, 2)), Level(5, (4, 4)), Level(6, (8, 8))]
GATES = [Gate(coarse.channels, fine.stride, coarse) for fine, coarse in pairwise(ROWS)]


def features() -> list[Tensor]:
    torch.manual_seed(0)
    return [torch.randn(2, row.channels, 16 // row.stride[0], 24 // row.stride[0]) for row in ROWS]


def test_nodes_follow_the_papers_equation() -> None:
    skip: Any = NestedSkip(ROWS, GATES).eval()
    x00, x10, x20, x30 = features()

    def node(name: str, left: list[Tensor], below: Tensor) -> Tensor:
        out: Tensor = skip.blocks[name](
            torch.cat([*left, below.repeat_interleave(2, 2).repeat_interleave(2, 3)], 1)
        )
        return out

    x01, x11 = node("0_1", [x00], x10), node("1_1", [x10], x20)
    x02 = node("0_2", [x00, x01], x11)
    rows = skip(features())
    assert torch.equal(rows[0], torch.cat([x00, x01, x02], 1))
    assert torch.equal(rows[1], torch.cat([x10, x11], 1))
    assert torch.equal(rows[2], x20)
    assert torch.equal(rows[3], x30)
    assert [torch.equal(a, b) for a, b in zip(skip.side_outputs(rows), [x01, x02], strict=True)] == [
        True,
        True,
    ]


# X[0][1], X[1][1], X[0][2]: U keeps the coarse width, or delivers the fine one
@pytest.mark.parametrize(("up", "widths"), [("nearest", [7, 9, 10]), ("transposed", [6, 8, 9])])
def test_blocks_see_all_nodes_to_their_left_and_the_one_below(up: Any, widths: list[int]) -> None:
    skip: Any = NestedSkip(ROWS, GATES, up=up)
    assert [skip.blocks[name][0].in_channels for name in ("0_1", "1_1", "0_2")] == widths


def test_a_loss_on_side_output_d_reaches_the_nodes_up_to_diagonal_d_alone() -> None:
    skip = NestedSkip(ROWS, GATES)
    skip.side_outputs(skip(features()))[0].square().mean().backward()  # type: ignore[no-untyped-call]
    reached = {
        name.split(".")[1] for name, p in skip.named_parameters() if p.grad is not None and p.grad.any()
    }
    assert reached == {"0_1"}


def test_depth_one_equals_the_plain_skip() -> None:
    small = {"encoder.channels": [4, 8], "decoder.channels": [4, 8]}
    nested = create_model("unet", encoder="conv2d", skip="nested", overrides=small).eval()
    plain = create_model("unet", encoder="conv2d", skip="concat", overrides=small).eval()
    plain.load_state_dict(nested.state_dict(), strict=True)
    x = torch.randn(1, 3, 11, 14)
    assert torch.equal(nested(x), plain(x))
