from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from unetzoo import create_model
from unetzoo.levels import Gate, Level
from unetzoo.skips import DLAUp
from unetzoo.skips.dla_up import bilinear_up

ROWS = [Level(3, (1, 1)), Level(5, (2, 2)), Level(5, (4, 4)), Level(6, (8, 8))]
GATES = [Gate(coarse.channels, fine.stride, coarse) for fine, coarse in pairwise(ROWS)]


def pathway() -> Any:
    torch.manual_seed(0)
    return DLAUp(ROWS, GATES).double().eval()


def features() -> list[Tensor]:
    torch.manual_seed(1)
    return [
        torch.randn(2, c, 16 // s[0], 24 // s[0], dtype=torch.float64, requires_grad=True) for c, s in ROWS
    ]


def test_rows_take_up_each_step_of_the_row_below() -> None:
    skip, (c0, c1, c2, c3) = pathway(), features()

    def node(row: int, k: int, x: Tensor, y: Tensor) -> Tensor:
        step = skip.steps[row]
        if step.brings[k][0] is not step.brings[k][-1]:
            projection = step.brings[k][0]
            y = F.conv2d(y, projection.weight).div((1 + 1e-5) ** 0.5).relu()
        y = F.conv_transpose2d(y, step.brings[k][-1].weight, stride=2, padding=1, groups=y.shape[1])
        x = F.conv2d(torch.cat([x, y], 1), step.nodes[k][0].weight, padding=1)
        return x.div((1 + 1e-5) ** 0.5).relu()

    a1 = node(2, 0, c2, c3)
    b1 = node(1, 0, c1, c2)
    b2 = node(1, 1, b1, a1)
    d1 = node(0, 0, c0, c1)
    d2 = node(0, 1, d1, b1)
    d3 = node(0, 2, d2, b2)
    for found, expected in zip(skip([c0, c1, c2, c3]), [d3, b2, a1, c3], strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_each_step_of_a_row_depends_on_the_sources_so_far_alone() -> None:
    step, (c0, c1, _, _) = pathway().steps[0], features()
    sources = [c1.detach().clone().requires_grad_() for _ in range(3)]
    for k, x in enumerate(step(c0, sources)):
        grads = torch.autograd.grad(x.sum(), sources, allow_unused=True, retain_graph=True)
        assert [grad is not None and bool(grad.any()) for grad in grads] == [n < k for n in range(3)]


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_there_are_as_many_nodes_as_in_a_triangle(depth: int) -> None:
    rows = [Level(4, (2**i, 2**i)) for i in range(depth + 1)]
    gates = [Gate(4, fine.stride, coarse) for fine, coarse in pairwise(rows)]
    skip: Any = DLAUp(rows, gates)
    assert sum(len(step.nodes) for step in skip.steps) == depth * (depth + 1) // 2


@pytest.mark.parametrize("factor", [(2, 2), (4, 2), (1, 3), (1, 2, 2)])
def test_learned_upsampling_starts_as_linear_interpolation(factor: tuple[int, ...]) -> None:
    x = torch.randn(2, 3, *[6] * len(factor))
    up = bilinear_up(3, factor)
    mode = {2: "bilinear", 3: "trilinear"}[len(factor)]
    expected = F.interpolate(x, scale_factor=[float(f) for f in factor], mode=mode)
    found = up(x)
    assert found.shape == expected.shape
    for axis, f in enumerate(factor, start=2):  # beyond the border it sees zeros
        found, expected = (t.narrow(axis, f, t.shape[axis] - 2 * f) for t in (found, expected))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    assert all(p.requires_grad for p in up.parameters())


def test_the_finest_row_has_all_of_the_pyramid_at_its_own_size() -> None:
    x = features()
    finest = pathway()(x)[0]
    assert finest.shape == x[0].shape
    assert all(grad.any() for grad in torch.autograd.grad(finest.sum(), x))


@pytest.mark.parametrize(
    ("name", "published", "unused"),
    # what the authors' code counts and never uses: the projections of trees of more than one level, which are
    # a 1x1 convolution and a batch norm from one stage's width to the next, all but one per stage
    [
        ("dla34", 18_095_163, 64 * 128 + 2 * 128 + 128 * 256 + 2 * 256),
        ("dla60", 31_303_227, 33_280 + 2 * 132_096),
        ("dla102", 42_700_859, 2 * 33_280 + 3 * 132_096),
        ("dla169", 62_958_139, 4_352 + 2 * 33_280 + 4 * 132_096),
    ],
)
def test_dla_up_has_its_published_size_but_for_what_is_never_used(
    name: str, published: int, unused: int
) -> None:
    with torch.device("meta"):
        model = create_model("dla_up", num_classes=19, overrides={"encoder.name": name})
    features = model.encoder.levels[-1].channels
    classifier = 1000 * features + 1000  # of ImageNet
    frozen = 19 * 4 * 4  # the last upsampling, which interpolates here
    count = sum(p.numel() for p in model.parameters())
    assert count == published - unused - classifier - frozen
    if name == "dla34":
        assert sum(p.numel() for p in model.skip.parameters()) == 2_310_400


def test_every_parameter_is_trained_without_a_decoder() -> None:
    model = create_model(
        encoder="conv2d", skip="dla_up", decoder="identity", overrides={"encoder.channels": [4, 6, 8, 8]}
    )
    model(torch.randn(2, 3, 21, 30)).square().mean().backward()
    assert all(p.grad is not None for p in model.parameters())
