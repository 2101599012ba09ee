from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo.levels import Gate, Level
from unetzoo.skips import FPN, DenseFPN, Neck, PathAggregation, SpatialContext

ROWS = [Level(3, (1, 1)), Level(4, (2, 2)), Level(5, (4, 4)), Level(6, (8, 8))]
RESNET50 = [Level(256 * 2**i, (4 * 2**i,) * 2) for i in range(4)]
NECKS: list[type[Neck]] = [FPN, PathAggregation, DenseFPN]


def gates(rows: list[Level]) -> list[Gate]:
    return [Gate(coarse.channels, fine.stride, coarse) for fine, coarse in pairwise(rows)]


def neck(kind: Any, **options: Any) -> Any:
    torch.manual_seed(0)
    return kind(ROWS, gates(ROWS), **options).double().eval()


def features() -> list[Tensor]:
    torch.manual_seed(1)
    return [
        torch.randn(2, row.channels, 16 // row.stride[0], 24 // row.stride[0], dtype=torch.float64)
        for row in ROWS
    ]


def seen_by(pathway: Any, row: int) -> list[int]:
    """Rows of the encoder that a row of the pyramid depends on."""
    x = [f.requires_grad_() for f in features()]
    pathway.pyramid(x)[row].square().sum().backward()
    return [i for i, f in enumerate(x) if f.grad is not None and f.grad.any()]


# the neck itself as in the papers' code, and the 1x1 back to the bottleneck's width
@pytest.mark.parametrize(
    ("kind", "options", "expected"),
    [
        (FPN, {}, 3_344_384),
        (PathAggregation, {}, 3_344_384 + 3_540_480),
        # laterals with batch norm; 4 rows (the paper has a fifth) of two blocks a stage; 3 + 2 weights a way
        (DenseFPN, {"stack_times": 1}, 985_088 + 4 * 2 * 214_016 + 10),
        (DenseFPN, {"stack_times": 5}, 985_088 + 5 * 4 * 2 * 214_016 + 10),
    ],
)
def test_necks_of_a_resnet50_have_their_published_size(
    kind: Any, options: dict[str, Any], expected: int, count: Callable[[nn.Module], int]
) -> None:
    with torch.device("meta"):
        pathway = kind(RESNET50, gates(RESNET50), **options)
    assert count(pathway) - count(pathway.back) == expected
    assert count(pathway.back) == 256 * 2048 + 2048


def test_spatial_context_of_256_channels_has_its_published_size(count: Callable[[nn.Module], int]) -> None:
    rows = [Level(256, (2**i,) * 2) for i in range(5)]
    pathway = SpatialContext(rows, gates(rows))
    assert [count(row) for row in pathway.rows] == [132_098] * 5


@pytest.mark.parametrize("kind", NECKS)
def test_rows_keep_their_size_and_the_bottleneck_its_width(kind: Any) -> None:
    out = neck(kind, channels=7)(features())
    assert [f.shape for f in out] == [(2, 7, 16, 24), (2, 7, 8, 12), (2, 7, 4, 6), (2, 6, 2, 3)]


def test_fpn_follows_its_formula() -> None:
    pathway = neck(FPN, channels=7)
    laterals = [layer(f) for layer, f in zip(pathway.laterals, features(), strict=True)]
    m = laterals[3]
    expected = [pathway.convs[3](m)]
    for i in (2, 1, 0):
        m = laterals[i] + m.repeat_interleave(2, 2).repeat_interleave(2, 3)
        expected.insert(0, pathway.convs[i](m))
    torch.testing.assert_close(pathway.pyramid(features()), expected, rtol=0, atol=1e-12)


def test_rows_see_what_the_papers_say() -> None:
    assert [seen_by(neck(FPN, channels=8), i) for i in range(4)] == [[0, 1, 2, 3], [1, 2, 3], [2, 3], [3]]
    # the way up starts from a finest row that knows all
    assert [seen_by(neck(PathAggregation, channels=8), i) for i in range(4)] == [[0, 1, 2, 3]] * 4
    assert [seen_by(neck(DenseFPN, channels=8, stack_times=1), i) for i in range(4)] == [[0, 1, 2, 3]] * 4


def test_path_aggregation_sends_pyramid_rows_up_only() -> None:
    pathway = neck(PathAggregation, channels=8)
    pyramid = [p.detach().requires_grad_() for p in FPN.pyramid(pathway, features())]
    pathway.laterals = pathway.convs = nn.ModuleList(nn.Identity() for _ in ROWS)
    pathway.ups = nn.ModuleList(_Nothing() for _ in ROWS[1:])
    pathway.pyramid(pyramid)[1].sum().backward()
    assert [p.grad is not None for p in pyramid] == [True, True, False, False]


class _Nothing(nn.Module):
    def forward(self, x: Tensor) -> float:
        return 0.0


def test_dense_fpn_follows_its_formula() -> None:
    pathway = neck(DenseFPN, channels=6, stack_times=2)
    with torch.no_grad():
        for weights in [*pathway.coarser_weights.values(), *pathway.finer_weights.values()]:
            weights.copy_(torch.randn(weights.shape))
    x = [layer(f) for layer, f in zip(pathway.laterals, features(), strict=True)]
    for stage in pathway.stages:
        t = []
        for i in range(4):
            z = x[i].clone()
            shares = pathway.coarser_weights[str(i)].softmax(0) if i < 2 else torch.ones(1)
            for share, k in zip(shares, range(i + 1, 4), strict=False):
                z += share * F.interpolate(x[k], size=x[i].shape[2:], mode="bilinear", align_corners=False)
            t.append(stage.down[i](z))
        new = []
        for i in range(4):
            z = x[i] + t[i]
            shares = pathway.finer_weights[str(i)].softmax(0) if i > 1 else torch.ones(1)
            for share, k in zip(shares, range(i), strict=False):
                z = z + share * F.adaptive_max_pool2d(t[k], x[i].shape[2:])
            new.append(stage.up[i](z))
        x = new
    torch.testing.assert_close(pathway.pyramid(features()), x, rtol=0, atol=1e-12)


def test_dense_fpn_weighs_all_sources_alike_at_first_and_all_stages_the_same() -> None:
    pathway = neck(DenseFPN, channels=6, stack_times=5)
    assert {key: w.shape[0] for key, w in pathway.coarser_weights.items()} == {"0": 3, "1": 2}
    assert {key: w.shape[0] for key, w in pathway.finer_weights.items()} == {"2": 2, "3": 3}
    for weights in [*pathway.coarser_weights.values(), *pathway.finer_weights.values()]:
        torch.testing.assert_close(weights.softmax(0), torch.full_like(weights, 1 / len(weights)))


def test_dense_fpn_has_no_way_around_its_blocks() -> None:
    pathway = neck(DenseFPN, channels=6, stack_times=1)
    for block in pathway.stages[0].up:
        nn.init.zeros_(block[-1].weight)
    assert all(not row.any() for row in pathway.pyramid(features()))


def test_dense_fpn_refuses_no_stage() -> None:
    with pytest.raises(ValueError, match="stack_times=0 leaves no stage"):
        neck(DenseFPN, stack_times=0)


def contexts() -> Any:
    pathway = neck(SpatialContext)
    for row in pathway.rows:
        nn.init.normal_(row.m.weight)
        nn.init.normal_(row.m.bias)
    return pathway


def test_spatial_context_adds_nothing_at_first() -> None:
    x = features()
    assert all(torch.equal(a, b) for a, b in zip(neck(SpatialContext)(x), x, strict=True))


def test_spatial_context_equals_the_papers_order_of_value_before_pooling() -> None:
    row, x = contexts().rows[2], features()[2]
    # shares are float32, whose rounding is 6e-8
    shares = row.k(x).flatten(2).softmax(2)
    y = row.m((row.v(x).flatten(2) * shares).sum(2)[..., None, None])
    torch.testing.assert_close(row(x), x + y * torch.sigmoid(row.a(x)), rtol=1e-6, atol=1e-6)


def test_spatial_context_of_a_constant_map_is_constant() -> None:
    row = contexts().rows[0]
    x = torch.randn(1, 3, 1, 1, dtype=torch.float64).expand(1, 3, 4, 6)
    added = row(x) - x
    torch.testing.assert_close(added, added[..., :1, :1].expand_as(added), rtol=0, atol=1e-12)
