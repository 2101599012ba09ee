from typing import Any

import pytest
import torch
from torch import nn

from unetzoo import create_model
from unetzoo.levels import Gate, Level
from unetzoo.skips import AddSkip, ConcatSkip, SkipPathway

ROWS = [Level(4, (1, 1)), Level(8, (2, 2))]
SKIP, COARSE = torch.randn(2, 4, 6, 8), torch.randn(2, 8, 3, 4)


def test_skip_comes_first_in_the_concatenation() -> None:
    gate = torch.randn(2, 8, 6, 8)
    merged = ConcatSkip(ROWS, [Gate(8, (1, 1), ROWS[1])]).merge(0, SKIP, gate, COARSE)
    assert torch.equal(merged, torch.cat([SKIP, gate], 1))


def test_rows_that_are_not_listed_are_left_to_the_decoder() -> None:
    rows = [*ROWS, Level(8, (4, 4))]
    gates = [Gate(8, row.stride, rows[i + 1]) for i, row in enumerate(rows[:-1])]
    pathway = ConcatSkip(rows, gates, rows=[-1])
    assert pathway.merged == [8, 16]
    gate = torch.randn(2, 8, 6, 8)
    assert pathway.merge(0, SKIP, gate, COARSE) is gate
    with pytest.raises(ValueError, match=r"rows=\[2\]: there is no skip 2; list 0 to 1"):
        ConcatSkip(rows, gates, rows=[2])


def test_output_depends_on_the_skips_only_through_the_columns_that_read_them() -> None:
    model = create_model(
        "unet", encoder="conv2d", overrides={"encoder.channels": [4, 8, 16], "decoder.channels": [4, 8]}
    ).eval()
    decoder: Any = model.decoder
    features = model.encoder(torch.randn(1, 3, 16, 16))
    other = [torch.randn_like(f) for f in features[:-1]] + features[-1:]

    def decoded(rows: list[torch.Tensor]) -> torch.Tensor:
        return model.heads[0](model.decoder(model.skip(rows), model.skip.merge))  # type: ignore[no-any-return]

    with torch.no_grad():
        assert not torch.allclose(decoded(features), decoded(other))
        for block, row in zip(decoder.blocks, model.encoder.levels, strict=False):
            block[0].weight[:, : row.channels] = 0
        assert torch.equal(decoded(features), decoded(other))


def test_equal_widths_are_added_as_they_are() -> None:
    gate = torch.randn(2, 4, 6, 8)
    skip = AddSkip(ROWS, [Gate(4, (1, 1), ROWS[1])])
    assert torch.equal(skip.merge(0, SKIP, gate, COARSE), SKIP + gate)
    assert not list(skip.parameters())


def test_other_widths_are_projected() -> None:
    gate = torch.randn(2, 6, 6, 8)
    skip = AddSkip(ROWS, [Gate(6, (1, 1), ROWS[1])])
    merge: Any = skip.merges[0]
    assert isinstance(merge.project, nn.Conv2d)
    weight, bias = merge.project.parameters()
    expected = torch.einsum("oi,bihw->bohw", weight[..., 0, 0], SKIP) + bias[:, None, None] + gate
    torch.testing.assert_close(skip.merge(0, SKIP, gate, COARSE), expected)
    assert skip.merged == [6]


def test_rows_may_go_on_without_their_skip() -> None:
    rows = [*ROWS, Level(8, (4, 4))]
    gates = [Gate(4, (1, 1), ROWS[1]), Gate(8, (2, 2), rows[2])]
    skip, gate = AddSkip(rows, gates, rows=[-1]), torch.randn(2, 4, 6, 8)
    assert skip.merge(0, SKIP, gate, COARSE) is gate
    assert torch.equal(skip.merge(1, COARSE, COARSE, COARSE), 2 * COARSE)
    with pytest.raises(ValueError, match="there is no skip 2; list 0 to 1"):
        AddSkip(rows, gates, rows=[2])


def test_rows_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="2 encoder rows need 1 decoder rows, got 0"):
        ConcatSkip(ROWS, [])
    with pytest.raises(ValueError, match="changes the bottleneck"):
        SkipPathway(ROWS, [Gate(8, (1, 1), ROWS[1])], levels=[ROWS[0], Level(9, (2, 2))])
