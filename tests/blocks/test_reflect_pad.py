import numpy as np
import pytest
import torch
from torch.nn import functional as F

from unetzoo.blocks import ReflectPad


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 3), (3, 4), (6, 7), (1, 2, 4), (3, 5, 6)])
@pytest.mark.parametrize("width", [1, 2, 3])
def test_mirrors_like_numpy_at_every_size(size: tuple[int, ...], width: int) -> None:
    x = torch.arange(2.0 * np.prod(size)).reshape(1, 2, *size)
    expected = np.pad(x.numpy(), [(0, 0), (0, 0)] + [(width, width)] * len(size), mode="reflect")
    assert np.array_equal(ReflectPad(width)(x).numpy(), expected)


def test_mirrors_like_torch_where_torch_does() -> None:
    x = torch.randn(2, 3, 4, 5)
    assert torch.equal(ReflectPad(2)(x), F.pad(x, [2, 2, 2, 2], mode="reflect"))


def test_one_recorded_graph_serves_every_size() -> None:
    size = {2: torch.export.Dim("h", min=1, max=99), 3: torch.export.Dim("w", min=1, max=99)}
    program = torch.export.export(ReflectPad(2), (torch.randn(1, 2, 5, 7),), dynamic_shapes=({**size},))
    for h, w in [(5, 7), (2, 1), (9, 3)]:
        x = torch.randn(1, 2, h, w)
        assert torch.equal(program.module()(x), ReflectPad(2)(x))
