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


@pytest.mark.parametrize(("sources", "first"), [("short", -1), ("ensemble", 0)])
def test_nodes_of_the_ablations_take_one_node_to_their_left(sources: Any, first: int) -> None:
    skip: Any = NestedSkip(ROWS, GATES, sources=sources).eval()
    x = [[f] for f in features()]
    for j in (1, 2):
        for i in range(3 - j):
            up = x[i + 1][j - 1].repeat_interleave(2, 2).repeat_interleave(2, 3)
            x[i].append(skip.blocks[f"{i}_{j}"](torch.cat([x[i][first], up], 1)))
    rows = skip(features())
    for row, nodes in zip(rows, x, strict=True):
        assert torch.equal(row, torch.cat(nodes, 1))
    for row, nodes, gate, merge in zip(rows, x, GATES, skip.merges, strict=False):
        brought = torch.randn(2, gate.channels, *row.shape[2:])
        assert torch.equal(merge(row, brought, brought), torch.cat([nodes[first], brought], 1))
    assert skip.merged == [row.channels + gate.channels for row, gate in zip(ROWS, GATES, strict=False)]
    for side, node in zip(skip.side_outputs(rows), x[0][1:], strict=True):
        assert torch.equal(side, node)


def test_the_main_output_of_an_ensemble_is_a_plain_u_net() -> None:
    small = {"encoder.channels": [4, 6, 8, 10], "decoder.channels": [4, 6, 8], "deep_supervision": True}
    nested: Any = create_model(
        encoder="conv2d", skip="nested", overrides=small | {"skip.sources": "ensemble"}
    ).eval()
    plain = create_model(encoder="conv2d", overrides=small | {"deep_supervision": False}).eval()
    shared = plain.state_dict().keys()
    plain.load_state_dict({key: value for key, value in nested.state_dict().items() if key in shared})
    x = torch.randn(1, 3, 19, 22)
    assert torch.equal(nested(x), plain(x))


@pytest.mark.parametrize("sources", ["short", "ensemble"])
@pytest.mark.parametrize("ndim", [2, 3])
def test_every_node_of_the_ablations_is_trained(sources: str, ndim: int) -> None:
    model = create_model(
        encoder=f"conv{ndim}d",
        skip="nested",
        overrides={
            "encoder.channels": [4, 6, 8, 10], "decoder.channels": [4, 6, 8],
            "deep_supervision": True, "skip.sources": sources,
        },
    )  # fmt: skip
    heads = model.forward_deep(torch.randn(2, 3, *[15] * ndim))
    assert len(heads) == 3
    torch.stack([out.square().mean() for out in heads]).sum().backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None for p in model.parameters())


def test_an_ensemble_without_side_heads_would_have_dead_weights_and_is_refused() -> None:
    with pytest.raises(ValueError, match="trained by side heads alone; set deep_supervision=true"):
        create_model(encoder="conv2d", skip="nested", overrides={"skip.sources": "ensemble"})


def test_unknown_sources_are_refused() -> None:
    with pytest.raises(ValueError, match="dense, short or ensemble, not 'sparse'"):
        NestedSkip(ROWS, GATES, sources="sparse")  # type: ignore[arg-type]
