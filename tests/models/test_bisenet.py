from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo import create_model
from unetzoo.blocks import AttentionRefinement, FeatureFusion
from unetzoo.encoders import ConvEncoder, SpatialPathEncoder
from unetzoo.levels import Gate, Level
from unetzoo.skips import BilateralSkip

SMALL = {
    "encoder.encoder": {
        "_target_": "unetzoo.encoders.ConvEncoder",
        "_partial_": True,
        "channels": [2, 2, 2, 2, 5, 6],
    },
    "encoder.widths": [2, 3, 4],
    "encoder.channels": 7,
    "decoder.context.channels": 8,
    "decoder.channels": 8,
    "head.hidden": 3,
    "head.side_hidden": 5,
}


def bisenet(**changes: Any) -> Any:
    torch.manual_seed(0)
    model = create_model("bisenet_r18", in_channels=3, num_classes=4, overrides=SMALL | changes).eval()
    with torch.no_grad():
        for key, buffer in model.named_buffers():
            if key.endswith(("running_mean", "running_var")):
                buffer.add_(0.5 * torch.rand_like(buffer))
    return model


def image() -> Tensor:
    torch.manual_seed(1)
    return torch.randn(2, 3, 64, 96)


def enlarge(x: Tensor, factor: int) -> Tensor:
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)


def test_prediction_needs_no_side_heads_and_has_the_authors_size(count: Callable[[nn.Module], int]) -> None:
    with torch.device("meta"):
        model = create_model("bisenet_r18", num_classes=19, overrides={"deep_supervision": False})
    assert count(model) == 12_894_163


def test_follows_the_papers_figure() -> None:
    model, x = bisenet(), image()
    f8, f16, f32 = model.encoder(x)
    fuse, refine = model.skip.merges[0].fuse, model.skip.merges[1].refine
    context, (up8, up16) = model.decoder.context, model.decoder.ups
    tail = context.refine(f32) + context.whole(f32.mean((2, 3), keepdim=True))
    u32 = up16[1:](enlarge(tail, 2))
    u16 = up8[1:](enlarge(refine(f16) + u32, 2))
    main = fuse(torch.cat([f8, u16], 1))
    assert main.shape == (2, 15, 8, 12)
    heads = model.heads
    expected = [
        enlarge(heads[0].conv(main), 8),
        enlarge(heads[1].conv(u16), 8),
        enlarge(heads[2].conv(u32), 16),
    ]
    torch.testing.assert_close(model.forward_deep(x), expected)
    assert [head.conv[0].out_channels for head in heads] == [3, 5, 5]


def test_without_side_heads_the_prediction_is_the_same() -> None:
    model, bare = bisenet(), bisenet(deep_supervision=False)
    bare.load_state_dict(
        {k: v for k, v in model.state_dict().items() if not k.startswith(("heads.1", "heads.2"))}
    )
    assert torch.equal(bare(image()), model(image()))


def test_the_spatial_path_sees_the_image_alone_and_is_trained() -> None:
    model = bisenet().train()
    x = image().requires_grad_()
    model.encoder(x)[0].sum().backward()
    assert all(p.grad is None for p in model.encoder.encoder.parameters())
    model.zero_grad()
    model(image()).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in model.encoder.path.parameters())


def test_a_single_image_can_be_trained() -> None:
    model = bisenet().train()
    assert model(image()[:1]).isfinite().all()


@pytest.mark.parametrize(("logit", "kept"), [(1e4, 1.0), (-1e4, 0.0)])
def test_saturated_attention_keeps_everything_or_nothing(logit: float, kept: float) -> None:
    x = torch.randn(2, 3, 5, 6)
    refine: Any = AttentionRefinement(2, 3, 4).eval()
    nn.init.constant_(refine.attention[1].bias, logit)
    torch.testing.assert_close(refine(x), kept * refine.conv(x))
    fuse: Any = FeatureFusion(2, 3, 4).eval()
    nn.init.constant_(fuse.attention.squeeze.weight, 1.0)
    nn.init.constant_(fuse.attention.excite.weight, logit)
    torch.testing.assert_close(fuse(x), (1 + kept) * fuse.conv(x))


@pytest.mark.parametrize("block", [AttentionRefinement, FeatureFusion])
@pytest.mark.parametrize("ndim", [2, 3])
def test_attention_is_one_number_per_channel(block: Any, ndim: int) -> None:
    module = block(ndim, 3, 4).eval()
    x = torch.randn(2, 3, *[4] * ndim)
    z = module.conv(x)
    factor = (module(x) / z)[z > 0.1]
    index = torch.arange(2 * 4).reshape(2, 4, *[1] * ndim).expand_as(z)[z > 0.1]
    for k in range(2 * 4):
        torch.testing.assert_close(factor[index == k], factor[index == k][:1].expand(int((index == k).sum())))


def test_rows_are_fused_or_refined_as_told() -> None:
    rows = [Level(3, (1, 1)), Level(4, (2, 2)), Level(5, (4, 4))]
    gates = [Gate(6, (1, 1), Level(6, (2, 2))), Gate(6, (2, 2), Level(5, (4, 4)))]
    assert BilateralSkip(rows, gates).merged == [9, 6]
    assert BilateralSkip(rows, gates, fused=[]).merged == [6, 6]
    assert BilateralSkip(rows, gates, fused=None).merged == [9, 10]
    with pytest.raises(ValueError, match=r"fused=\[2\] must be rows 0 to 1"):
        BilateralSkip(rows, gates, fused=[2])


def test_a_path_that_ends_below_the_encoder_is_refused() -> None:
    with pytest.raises(ValueError, match="end at stride 8, and the encoder has no row beyond it"):
        SpatialPathEncoder(3, encoder=partial(ConvEncoder, channels=[2, 3, 4]))
