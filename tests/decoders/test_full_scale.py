from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo import create_model
from unetzoo.decoders import FullScaleDecoder
from unetzoo.levels import Level
from unetzoo.skips import FullScaleSkip

ROWS = [Level(3, (1, 1)), Level(5, (2, 2)), Level(4, (4, 4)), Level(6, (8, 8))]


def parts(channels: int = 2) -> tuple[Any, Any]:
    torch.manual_seed(0)
    decoder = FullScaleDecoder(ROWS, channels=channels)
    skip = FullScaleSkip(ROWS, decoder.gates, channels=channels)
    decoder.build(skip.merged)
    return decoder.double().eval(), skip.double().eval()


def features() -> list[Tensor]:
    torch.manual_seed(1)
    size = 16
    return [
        torch.randn(2, c, size // s[0], size // s[0], dtype=torch.float64, requires_grad=True)
        for c, s in ROWS
    ]


def unit(x: Tensor, conv: nn.Module) -> Tensor:
    """3x3 convolution, fresh batch norm in evaluation, ReLU."""
    assert isinstance(conv, nn.Conv2d)
    return F.conv2d(x, conv.weight, conv.bias, padding=1).div((1 + 1e-5) ** 0.5).relu()


def test_states_follow_the_papers_equation() -> None:
    decoder, skip = parts()
    x = features()
    d = {3: x[3]}
    for i in (2, 1, 0):
        finer = [
            unit(F.max_pool2d(x[k], 2 ** (i - k)) if k < i else x[k], skip.branches[i][k][1])
            for k in range(i + 1)
        ]
        coarser = [
            unit(
                F.interpolate(d[k], scale_factor=2.0 ** (k - i), mode="bilinear"),
                decoder.branches[i][k - i - 1][1],
            )
            for k in range(i + 1, 4)
        ]
        d[i] = unit(torch.cat([*finer, *coarser], 1), decoder.blocks[i][0])
    decoded = decoder(skip(x), skip.merge)
    for found, k in zip(decoded, (3, 2, 1, 0), strict=True):
        torch.testing.assert_close(found, d[k], rtol=1e-12, atol=1e-12)


def test_the_finest_state_sees_every_scale_and_the_coarsest_no_finer_state() -> None:
    decoder, skip = parts()
    x = features()
    decoded = decoder(skip(x), skip.merge)
    assert all(
        g.any() for g in torch.autograd.grad(decoded[-1].sum(), [*x, *decoded[:-1]], retain_graph=True)
    )
    unused = torch.autograd.grad(decoded[1].sum(), decoded[2:], allow_unused=True)
    assert unused == (None, None)


def test_every_state_is_channels_times_rows_wide_whatever_the_skip() -> None:
    for skip in ("full_scale", "concat", "add", "attention_gate", "nested"):
        model = create_model(
            encoder="conv2d", skip=skip, decoder="full_scale",
            overrides={"encoder.channels": [4, 6, 8, 10], "decoder.channels": 3, "deep_supervision": True},
        )  # fmt: skip
        assert [level.channels for level in model.decoder.levels] == [12, 12, 12, 10]


def test_the_order_of_branches_is_a_matter_of_naming() -> None:
    decoder, skip = parts()
    expected = decoder(skip(features()), skip.merge)
    order = torch.arange(8).view(4, 2).flip(0).flatten()  # the four branches of two channels, backwards
    with torch.no_grad():
        for block in decoder.blocks:
            block[0].weight.copy_(block[0].weight[:, order])
    turned = decoder(skip(features()), lambda *row: skip.merge(*row)[:, order])
    for a, b in zip(turned, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    # plain; 5 heads; and the classifier of 1024 features into two classes. The authors' code, counted
    [
        ({}, 26_971_777),
        ({"deep_supervision": True}, 26_989_637),
    ],
)
def test_unet_3plus_has_its_published_size(overrides: dict[str, Any], expected: int) -> None:
    with torch.device("meta"):
        model = create_model("unet_3plus", overrides=overrides)
    assert sum(p.numel() for p in model.parameters()) == expected
    assert model.skip.merged == [320] * 4
