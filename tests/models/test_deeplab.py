from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from unetzoo import create_model

SMALL = {
    "encoder.encoder.name": "resnet10t",
    "encoder.encoder.options": {"channels": [8, 8, 16, 16], "stem_width": 8, "output_stride": 16},
    "decoder.context.channels": 8,
    "decoder.context.rates": [1, 2],
    "decoder.channels": 8,
}


def deeplab(**changes: Any) -> Any:
    torch.manual_seed(0)
    return create_model("deeplab_v3_plus", in_channels=3, num_classes=4, overrides=SMALL | changes).eval()


def test_one_convolution_has_the_size_of_the_popular_port(count: Callable[[nn.Module], int]) -> None:
    with torch.device("meta"):
        port: Any = create_model("deeplab_v3_plus", num_classes=21, overrides={"decoder.convs": 1})
    assert count(port) == 39_761_845
    assert count(port) - count(port.encoder) == 16_253_813


def test_the_decoder_ends_at_stride_4_of_an_encoder_that_ends_at_16() -> None:
    model = deeplab()
    assert [level.stride for level in model.encoder.levels] == [(4, 4), (16, 16)]
    assert [level.stride for level in model.decoder.levels] == [(4, 4)]
    assert model.divisor == (16, 16)
    assert model.decode(torch.randn(1, 3, 64, 96))[1][-1].shape == (1, 8, 16, 24)


def test_without_the_skip_it_is_a_head_on_the_enlarged_context() -> None:
    model = deeplab()
    first = model.decoder.blocks[0][0]
    with torch.no_grad():
        first.weight[:, :48] = 0
    x = torch.randn(1, 3, 64, 96)
    seen = model.decoder.context(model.encoder(x)[-1])
    large = F.interpolate(seen, scale_factor=4.0, mode="bilinear")
    empty = large.new_zeros(1, 48, *large.shape[2:])
    expected = model.heads[0].conv(model.decoder.blocks[0](torch.cat([empty, large], 1)))
    torch.testing.assert_close(model(x), F.interpolate(expected, scale_factor=4.0, mode="bilinear"))


def test_a_context_goes_with_any_decoder_and_is_left_out_where_a_unet_plus_plus_is_cut() -> None:
    context = {"_target_": "unetzoo.blocks.ASPP", "_partial_": True, "channels": 8, "rates": [1]}
    small = {"encoder.channels": [4, 4, 4], "decoder.channels": [4, 4], "decoder.context": context}
    model: Any = create_model("unet_plus_plus", encoder="conv2d", overrides=small).eval()
    assert model.decoder.gates[-1].coarse.channels == 8
    x = torch.randn(1, 3, 16, 24)
    cut = model.prune(1)
    assert not any("context" in key for key in cut.state_dict())
    torch.testing.assert_close(cut(x), model.forward_deep(x)[1])
