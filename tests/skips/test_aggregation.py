from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from unetzoo.levels import Gate, Level
from unetzoo.skips import AggregationSkip
from unetzoo.skips.aggregation import sources

ROWS = [Level(2 + i, (2**i,) * 2) for i in range(5)]


def skip(rows: list[Level] = ROWS, **options: Any) -> Any:
    torch.manual_seed(0)
    gates = [Gate(coarse.channels, fine.stride, coarse) for fine, coarse in pairwise(rows)]
    return AggregationSkip(rows, gates, growth=3, **options).double().eval()


def features(rows: list[Level] = ROWS) -> list[Tensor]:
    torch.manual_seed(1)
    return [
        torch.randn(2, row.channels, 32 // row.stride[0], 16 // row.stride[0], dtype=torch.float64)
        for row in rows
    ]


@pytest.mark.parametrize("n", range(1, 17))
def test_sparse_sources_are_those_of_the_authors_loop(n: int) -> None:
    expected, offset = [], 1
    while offset <= n:
        expected.append(n - offset)
        offset *= 2
    assert sources(n, "sparse") == expected
    assert set(expected) <= set(sources(n, "dense")) == set(range(n))


def test_dense_sources_are_all() -> None:
    assert sources(4, "dense") == [3, 2, 1, 0]
    assert [len(sources(n, "sparse")) for n in (1, 2, 3, 4, 7, 8, 16)] == [1, 2, 2, 3, 3, 4, 5]


def test_any_two_outputs_of_sixteen_are_at_most_four_steps_apart() -> None:
    steps = [0]
    for n in range(1, 17):
        steps.append(1 + min(steps[m] for m in sources(n, "sparse")))
    assert max(steps) == 4


@pytest.mark.parametrize("rule", ["sparse", "dense"])
def test_rows_follow_the_formula_from_the_bottleneck_up(rule: Any) -> None:
    pathway, x = skip(rule=rule), features()[::-1]
    y = [x[0]]
    for n in range(1, 5):
        brought = [
            F.interpolate(pathway.brought[f"{m}_{n}"][0](y[m]), size=x[n].shape[2:], mode="bilinear")
            for m in sources(n, rule)
        ]
        y.append(pathway.blocks[n - 1](torch.cat([x[n], *brought], 1)))
    torch.testing.assert_close(pathway(features()), y[::-1], rtol=0, atol=1e-12)


def test_of_five_rows_the_sparse_finest_leaves_out_distance_three() -> None:
    assert [key for key in skip().brought if key.endswith("_4")] == ["3_4", "2_4", "0_4"]
    assert [key for key in skip(rule="dense").brought if key.endswith("_4")] == ["3_4", "2_4", "1_4", "0_4"]


def test_up_to_three_rows_sparse_is_dense() -> None:
    rows = ROWS[:3]
    sparse, dense = skip(rows), skip(rows, rule="dense")
    dense.load_state_dict(sparse.state_dict(), strict=True)
    assert all(torch.equal(a, b) for a, b in zip(sparse(features(rows)), dense(features(rows)), strict=True))


def test_the_bottleneck_passes_and_finer_rows_are_not_seen() -> None:
    pathway = skip()
    x = [f.requires_grad_() for f in features()]
    out = pathway(x)
    assert out[-1] is x[-1]
    out[2].square().sum().backward()
    assert [f.grad is not None for f in x] == [False, False, True, True, True]


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(ValueError, match="rule 'some' is unknown; choose sparse or dense"):
        skip(rule="some")
