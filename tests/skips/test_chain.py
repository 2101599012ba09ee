from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import torch

from unetzoo import create_model
from unetzoo.levels import Gate, Level
from unetzoo.skips import AttentionGate, Chain, NestedSkip

ROWS = [Level(3, (1, 1)), Level(4, (2, 2)), Level(5, (4, 4))]
GATES = [Gate(coarse.channels, fine.stride, coarse) for fine, coarse in pairwise(ROWS)]
SMALL = {"encoder.channels": [4, 8, 8], "decoder.channels": [4, 8]}


def test_nested_then_gate_equals_the_two_by_hand() -> None:
    torch.manual_seed(0)
    chain: Any = Chain(
        ROWS, GATES, steps={"dense": NestedSkip, "gate": partial(AttentionGate, inner=0.5)}
    ).eval()
    features = [torch.randn(2, row.channels, 16 // row.stride[0], 8 // row.stride[0]) for row in ROWS]
    nested, gate = chain.steps[0], chain.merges[0]
    assert chain.levels == nested.levels
    rows = chain(features)
    assert all(torch.equal(a, b) for a, b in zip(rows, nested(features), strict=True))
    brought, coarse = torch.randn(2, 4, 16, 8), features[1]
    expected = torch.cat([rows[0] * gate.attention(rows[0], coarse), brought], 1)
    assert torch.equal(chain.merge(0, rows[0], brought, coarse), expected)
    assert [torch.equal(s, rows[0][:, 3:6]) for s in chain.side_outputs(rows)] == [True]


def test_names_in_create_model_become_a_chain() -> None:
    model = create_model("unet", encoder="conv2d", skip=["nested", "attention_gate"], overrides=SMALL)
    assert isinstance(model.skip, Chain)
    assert [type(step) for step in model.skip.steps] == [NestedSkip, AttentionGate]


def test_a_merge_before_the_last_place_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"AttentionGate merges .* not the last of the chain \(AttentionGate, NestedSkip\)"
    ):
        create_model("unet", encoder="conv2d", skip=["attention_gate", "nested"], overrides=SMALL)


def test_an_empty_chain_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one skip pathway"):
        Chain(ROWS, GATES, steps={})
