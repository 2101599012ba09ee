"""A graph of pixels, against its dense adjacency matrix."""

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from tests import contracts
from torch import Tensor

from unetzoo import create_model
from unetzoo.blocks import GraphBlock, GraphBottleneck, GraphConv
from unetzoo.blocks.graph_block import grid_mean, nearest_mean
from unetzoo.inference.contract import DataSpec
from unetzoo.levels import Level

SIZES = [(4, 5), (1, 6), (3, 4, 5), (1, 3, 2)]
every_size = pytest.mark.parametrize("size", SIZES)
both_grids = pytest.mark.parametrize("diagonal", [True, False])


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def graph(adjacency: Any = "box", *, ndim: int = 2, widths: tuple[int, int] = (3, 4), **options: Any) -> Any:
    torch.manual_seed(0)
    return GraphConv(ndim, *widths, adjacency=adjacency, **options).double()


def dense(size: tuple[int, ...], diagonal: bool) -> Tensor:
    """The row-normalised adjacency matrix of a grid."""
    nodes = list(product(*map(range, size)))
    steps = [[abs(i - j) for i, j in zip(a, b, strict=True)] for a in nodes for b in nodes]
    near = [max(s) == 1 and (diagonal or sum(s) == 1) for s in steps]
    a = torch.tensor(near, dtype=torch.float64).reshape(len(nodes), -1)
    return a / a.sum(1, keepdim=True)


@every_size
@both_grids
def test_the_grid_is_the_dense_adjacency_matrix(size: tuple[int, ...], diagonal: bool) -> None:
    x = noise(2, 3, *size)
    expected = (x.flatten(2) @ dense(size, diagonal).T).reshape(x.shape)
    torch.testing.assert_close(grid_mean(x, diagonal=diagonal), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("adjacency", ["box", "cross", "nearest"])
@pytest.mark.parametrize("ndim", [2, 3])
def test_what_is_the_same_everywhere_stays_so_at_the_border_too(adjacency: str, ndim: int) -> None:
    out = graph(adjacency, ndim=ndim)(noise(2, 3, *[1] * ndim).expand(2, 3, *[4] * ndim)).flatten(2)
    torch.testing.assert_close(out, out[..., :1].expand_as(out))


def test_a_single_pixel_has_no_neighbours() -> None:
    x = noise(2, 3, 1, 1)
    for mean in (grid_mean(x), grid_mean(x, diagonal=False), nearest_mean(x, 4)):
        assert torch.equal(mean, torch.zeros_like(x))


@pytest.mark.parametrize("adjacency", ["box", "cross", "nearest"])
def test_without_neighbours_it_is_a_convolution_of_single_pixels(adjacency: str) -> None:
    layer, x = graph(adjacency, ndim=3), noise(2, 3, 3, 4, 5)
    torch.nn.init.zeros_(layer.near.weight)
    assert torch.equal(layer(x), layer.own(x))


@pytest.mark.parametrize(("k", "rows"), [(3, 1024), (3, 7), (100, 8)])
def test_the_nearest_are_those_of_the_distance_matrix(k: int, rows: int) -> None:
    x = noise(2, 3, 4, 5)
    tokens = x.flatten(2).transpose(1, 2)
    order = torch.cdist(tokens, tokens).argsort(2)[..., 1 : k + 1]  # without the node itself
    chosen = tokens[torch.arange(2)[:, None, None], order].mean(2)
    expected = chosen.transpose(1, 2).reshape(x.shape)
    torch.testing.assert_close(nearest_mean(x, k, rows=rows), expected)


def test_far_from_the_origin_the_nearest_are_the_same() -> None:
    x = noise(1, 3, 6, 6).float()
    torch.testing.assert_close(nearest_mean(x + 1000, 4) - 1000, nearest_mean(x, 4), rtol=0, atol=1e-3)


def test_the_order_of_the_pixels_does_not_matter_to_the_nearest() -> None:
    layer, x = graph("nearest", k=4), noise(2, 3, 1, 20)
    order = torch.randperm(20, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(layer(x[..., order]), layer(x)[..., order])


@pytest.mark.parametrize("layers", [1, 2, 3])
@both_grids
def test_each_layer_sees_one_pixel_further(layers: int, diagonal: bool) -> None:
    torch.manual_seed(0)
    options: Any = {"adjacency": "box" if diagonal else "cross", "activation_name": "gelu"}
    block = GraphBlock(2, 1, layers=layers, **options).double()
    x = noise(1, 1, 9, 9).requires_grad_()
    block(x)[0, 0, 4, 4].backward()
    assert x.grad is not None
    away = (torch.arange(9) - 4).abs()
    steps = torch.maximum(away[:, None], away) if diagonal else away[:, None] + away
    assert torch.equal(x.grad[0, 0] != 0, steps <= layers)


@pytest.mark.parametrize("adjacency", ["box", "nearest"])
def test_gradients_reach_both_terms_and_are_those_of_differences(adjacency: str) -> None:
    # small steps change no neighbourhood, so the choice of the nearest adds nothing
    layer, x = graph(adjacency, k=3), noise(1, 3, 3, 3).requires_grad_()
    assert torch.autograd.gradcheck(layer, x)
    layer(x).sum().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in layer.parameters())


def test_two_layers_are_thirteen_times_smaller_than_two_convolutions() -> None:
    block = GraphBlock(3, 256, layers=2)
    assert sum(p.numel() for p in block.parameters()) == 2 * (2 * 256 * 256 + 256) == 262_656


def test_the_bottleneck_may_change_its_width() -> None:
    context = GraphBottleneck(Level(6, (8, 8)), width=4, adjacency="cross", layers=3)
    assert context.channels == 4
    assert context(torch.randn(1, 6, 3, 5)).shape == (1, 4, 3, 5)


def test_the_nearest_are_found_in_an_exported_file_of_one_size(
    tmp_path: Path, data_of: Callable[..., DataSpec]
) -> None:
    context = {
        "_target_": "unetzoo.blocks.GraphBottleneck",
        "_partial_": True,
        "adjacency": "nearest",
        "k": 5,
    }
    small = {"encoder.channels": [4, 8], "decoder.channels": None, "decoder.context": context}
    torch.manual_seed(0)
    model = create_model(encoder="conv2d", overrides=small)
    assert set(model.fixed_size_parts) == {"GraphConv"}
    contracts.assert_builds_without_memory(lambda: create_model(encoder="conv2d", overrides=small), (12, 16))
    contracts.assert_onnx_agrees(model, tmp_path, data_of, [(12, 16)])


def test_half_precision_keeps_the_digits_of_the_sums() -> None:
    x = (100 + noise(1, 2, 6, 6)).bfloat16()
    torch.testing.assert_close(grid_mean(x).double(), grid_mean(x.double()), rtol=1e-5, atol=0)


def test_refuses_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="adjacency 'grid' is unknown; choose box, cross or nearest"):
        graph("grid")
    with pytest.raises(ValueError, match="k=0 leaves a node without neighbours"):
        graph("nearest", k=0)
    with pytest.raises(
        ValueError, match=r"nearest of 30 pixels \(\(5, 6\)\) are asked for, more than max_nodes=20"
    ):
        graph("nearest", max_nodes=20)(noise(1, 3, 5, 6))
    with pytest.raises(ValueError, match="layers=0 is no graph network"):
        GraphBlock(2, 3, layers=0)
    with pytest.raises(ValueError, match="3 channels cannot be added to 4"):
        GraphBlock(2, 3, 4, residual=True)
    with pytest.raises(ValueError, match="identity_init=true needs residual=true"):
        GraphBlock(2, 3, identity_init=True)
