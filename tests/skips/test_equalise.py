from typing import Any

import pytest
import torch
from torch import nn

from unetzoo.levels import Gate, Level
from unetzoo.skips import FeatureEqualiser


def pathway(rows: int = 4, **options: Any) -> tuple[Any, list[torch.Tensor]]:
    torch.manual_seed(0)
    levels = [Level(4 + i, (2**i,) * 2) for i in range(rows)]
    gates = [Gate(4, level.stride, levels[i + 1]) for i, level in enumerate(levels[:-1])]
    skip = FeatureEqualiser(levels, gates, width=4, layers=1, **options)
    return skip, [torch.randn(2, c, 32 // s, 48 // s) for c, (s, _) in levels]


@pytest.mark.parametrize("rows", [2, 3, 5])
def test_it_starts_as_the_plain_skip_and_keeps_every_rows_shape(rows: int) -> None:
    skip, features = pathway(rows)
    assert all(torch.equal(a, b) for a, b in zip(skip(features), features, strict=True))


def test_every_row_is_changed_by_every_other_once_the_way_back_has_weight() -> None:
    skip, features = pathway()
    for back in skip.redistribute:
        nn.init.ones_(back[1].weight)
    rows = [f.requires_grad_() for f in features]
    for i, out in enumerate(skip(rows)):
        gradients = torch.autograd.grad((out - rows[i]).square().sum(), rows, retain_graph=True)
        assert all(g.abs().max() > 0 for g in gradients)


def test_the_way_back_learns_from_the_first_step() -> None:
    skip, features = pathway()
    torch.stack([f.square().sum() for f in skip(features)]).sum().backward()  # type: ignore[no-untyped-call]
    assert all(back[1].weight.grad.abs().max() > 0 for back in skip.redistribute)


def test_the_canvas_is_the_coarsest_row_of_the_finer_half() -> None:
    skip, features = pathway()
    sizes = {tuple(to_canvas(f).shape[2:]) for to_canvas, f in zip(skip.collect, features, strict=True)}
    assert sizes == {(16, 24)}
