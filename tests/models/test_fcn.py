from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo import create_model
from unetzoo.levels import Gate, Level
from unetzoo.nd import Resize
from unetzoo.skips import AddSkip
from unetzoo.zoo import build

SMALL = {
    "encoder.encoder": {
        "_target_": "unetzoo.encoders.ConvEncoder",
        "_partial_": True,
        "channels": [2, 3, 4, 5, 6, 7],
    },
    "decoder.context.channels": 8,
}


def fcn(name: str, **changes: Any) -> Any:
    torch.manual_seed(0)
    model: Any = create_model(name, in_channels=3, num_classes=4, overrides=SMALL | changes).eval().double()
    for module in (model.decoder.ups[-1], *model.skip.merges):
        for parameter in module.parameters():
            nn.init.normal_(parameter)
    return model


def image() -> Tensor:
    torch.manual_seed(1)
    return torch.randn(2, 3, 64, 96, dtype=torch.float64)


def enlarge(x: Tensor, factor: int) -> Tensor:
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)


def deepest(model: Any, x: Tensor) -> Tensor:
    """The bottleneck's class scores."""
    scores: Tensor = model.decoder.ups[-1][0](model.decoder.context(model.encoder.encoder(x)[-1]))
    return scores


def test_32s_enlarges_the_deepest_scores_at_once() -> None:
    model, x = fcn("fcn_32s"), image()
    torch.testing.assert_close(model(x), enlarge(deepest(model, x), 32), rtol=0, atol=1e-12)


def test_8s_is_the_sum_of_what_each_row_says() -> None:
    model, x = fcn("fcn_8s"), image()
    rows = model.encoder.encoder(x)
    pool3, pool4 = (F.max_pool2d(row, 2) for row in rows[2:4])
    near, far = model.skip.merges
    expected = (
        enlarge(near.project(pool3), 8)
        + enlarge(enlarge(far.project(pool4), 2), 8)
        + enlarge(enlarge(enlarge(deepest(model, x), 2), 2), 8)
    )
    torch.testing.assert_close(model(x), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("name", "steps"), [("fcn_16s", (2, 16)), ("fcn_8s", (2, 2, 8))])
def test_new_scores_are_inert_at_first(name: str, steps: tuple[int, ...]) -> None:
    fresh: Any = create_model(name, in_channels=3, num_classes=4, overrides=SMALL)
    assert not any(p.any() for merge in fresh.skip.merges for p in merge.parameters())
    assert not any(p.any() for p in fresh.decoder.ups[-1].parameters())
    model, x = fcn(name), image()
    for parameter in model.skip.parameters():
        nn.init.zeros_(parameter)
    expected = deepest(model, x)
    for factor in steps:
        expected = enlarge(expected, factor)
    torch.testing.assert_close(model(x), expected, rtol=0, atol=1e-12)


def test_a_net_of_larger_stride_starts_the_one_of_smaller_stride() -> None:
    coarse, fine = fcn("fcn_16s"), fcn("fcn_8s")
    scores = coarse.skip.merges[0].state_dict()
    fine.encoder.load_state_dict(coarse.encoder.state_dict())
    fine.decoder.load_state_dict(
        {key.replace("ups.0", "ups.1"): value for key, value in coarse.decoder.state_dict().items()}
    )
    fine.skip.merges[1].load_state_dict(scores)
    for parameter in fine.skip.merges[0].parameters():
        nn.init.zeros_(parameter)
    x = image()
    torch.testing.assert_close(enlarge(coarse.decode(x)[1][-1], 2), fine.decode(x)[1][-1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("factor", [2, 8])
def test_interpolation_equals_the_authors_frozen_transposed_convolution_inside(factor: int) -> None:
    x = torch.randn(1, 1, 6, 7, dtype=torch.float64)
    size = 2 * factor
    taps = 1 - (torch.arange(size, dtype=torch.float64) - (factor - 0.5)).abs() / factor
    kernel = (taps[:, None] * taps[None])[None, None]
    theirs = F.conv_transpose2d(x, kernel, stride=factor, padding=factor // 2)
    inside = (..., slice(factor, -factor), slice(factor, -factor))
    torch.testing.assert_close(theirs[inside], Resize((factor, factor))(x)[inside], rtol=0, atol=1e-12)


def test_a_row_is_scaled_before_it_is_scored() -> None:
    rows = [Level(3, (1, 1)), Level(4, (2, 2)), Level(5, (4, 4))]
    gates = [Gate(2, row.stride, Level(2, coarse.stride)) for row, coarse in pairwise(rows)]
    skip: Any = AddSkip(rows, gates, zero_init=True, scales=[1e-4, 1e-2])
    for merge, scale in zip(skip.merges, [1e-4, 1e-2], strict=True):
        nn.init.normal_(merge.project.weight)
        x, gate = torch.randn(1, merge.project.in_channels, 4, 4), torch.randn(1, 2, 4, 4)
        torch.testing.assert_close(merge(x, gate, gate), merge.project(scale * x) + gate)
    with pytest.raises(ValueError, match=r"skip\.scales lists 1 factors for 2 skips"):
        AddSkip(rows, gates, scales=[1.0])


def test_a_head_without_convolution_needs_a_decoder_of_scores() -> None:
    with pytest.raises(ValueError, match="takes the decoder's 16 channels for 3 logits"):
        create_model("unet", encoder="conv2d", head="score", num_classes=3)


def test_without_skips_the_finer_rows_say_nothing() -> None:
    small = {"encoder.channels": [2, 3, 4], "decoder.channels": [2, 3, 4]}
    model: Any = create_model("unet", encoder="conv2d", skip="none", overrides=small).eval()
    skips = model.skip(model.encoder(torch.randn(1, 3, 8, 8)))
    before = model.decoder(skips, model.skip.merge)[-1]
    after = model.decoder([torch.randn_like(s) for s in skips[:-1]] + skips[-1:], model.skip.merge)[-1]
    assert torch.equal(before, after)
    # the config of the built model is whole, without references
    assert build(model.config) is not None
