from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from unetzoo import create_model
from unetzoo.encoders import ConvEncoder
from unetzoo.inference.contract import DataSpec
from unetzoo.onnx_export import export
from unetzoo.unet import UNet


def tiny(model: str = "unet", changes: dict[str, Any] | None = None) -> UNet:
    torch.manual_seed(0)
    overrides = {"encoder.channels": [2, 4, 8], "decoder.channels": [4, 8]} | (changes or {})
    return create_model(model, encoder="conv2d", in_channels=1, overrides=overrides).eval()


TINY = tiny()


def padded(x: Tensor) -> Tensor:
    missing = [(-size) % 4 for size in x.shape[2:]]
    return torch.from_numpy(np.pad(x.numpy(), [(0, 0), (0, 0), *((0, m) for m in missing)], "edge"))


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.integers(1, 70), st.integers(1, 70))
def test_any_size_equals_the_padded_image_cropped(height: int, width: int) -> None:
    x = torch.randn(1, 1, height, width, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        logits, whole = TINY(x), TINY(padded(x))
    assert logits.shape == (1, 2, height, width)
    assert torch.equal(logits, whole[..., :height, :width])


@pytest.mark.parametrize("norm", ["batch", "instance", "group", None])
@pytest.mark.parametrize(("encoder", "ndim"), [("conv2d", 2), ("residual2d", 2), ("conv3d", 3)])
def test_a_single_pixel_is_an_image(encoder: str, ndim: int, norm: str | None) -> None:
    overrides = {"encoder.channels": [16, 16], "encoder.norm": norm, "decoder.channels": [8]}
    if encoder == "residual2d":
        overrides["encoder.blocks"] = [1, 1]
    model = create_model(encoder=encoder, in_channels=1, overrides=overrides).eval()
    assert model(torch.randn(1, 1, *[1] * ndim)).isfinite().all()


def test_moving_the_image_by_the_divisor_moves_the_logits() -> None:
    # far from the border: the receptive field reaches 26 pixels to each side
    x = torch.randn(1, 1, 96, 96)
    with torch.inference_mode():
        here, there = TINY(x), TINY(x.roll((4, 8), (2, 3)))
    torch.testing.assert_close(here[..., 30:56, 30:56], there[..., 34:60, 38:64])


def test_mean_of_the_heads_is_what_average_heads_gives() -> None:
    model = tiny(changes={"deep_supervision": True, "average_heads": True})
    x = torch.randn(2, 1, 13, 10)
    heads = model.forward_deep(x)
    assert len(heads) == 2
    assert torch.equal(model(x), (heads[0] + heads[1]) / 2)


@pytest.mark.parametrize("head", [0, 1])
def test_a_chosen_head_answers_alone(head: int) -> None:
    model = tiny("unet_plus_plus", changes={"main_head": head})
    x = torch.randn(2, 1, 13, 10)
    assert torch.equal(model(x), model.forward_deep(x)[head])
    assert torch.equal(model(x), model.prune(2 - head)(x))


def test_a_graph_for_a_side_output_is_without_the_decoder(
    tmp_path: Path, data_of: Callable[..., DataSpec]
) -> None:
    model = tiny("unet_plus_plus", changes={"main_head": 1})
    graph = onnx.load(export(model, tmp_path / "model.onnx", data=data_of(model, (16, 16)))).graph
    weights = [weight.name for weight in graph.initializer if "." in weight.name]
    assert {name.split(".")[0] for name in weights} == {"encoder", "skip", "heads"}
    assert not any(name.startswith("encoder.stages.2") for name in weights)


def test_a_head_that_is_not_there_is_refused() -> None:
    for wrong in (-1, 2):
        with pytest.raises(ValueError, match=f"main_head={wrong} is not between 0 and 1"):
            tiny("unet_plus_plus", changes={"main_head": wrong})
    with pytest.raises(ValueError, match="main_head=1 is not between 0 and 0"):
        tiny(changes={"main_head": 1})
    with pytest.raises(ValueError, match="drop one"):
        tiny("unet_plus_plus", changes={"main_head": 1, "average_heads": True})


def test_forward_is_the_first_of_forward_deep() -> None:
    for model in (TINY, tiny(changes={"deep_supervision": True}), tiny("unet_plus_plus")):
        x = torch.randn(1, 1, 9, 12)
        heads = model.forward_deep(x)
        assert len(heads) == len(model.heads)
        assert torch.equal(model(x), heads[0])


def test_coarse_rows_are_supervised_finest_first_where_there_are_no_side_outputs() -> None:
    model = tiny(
        changes={"deep_supervision": True, "encoder.channels": [2, 4, 8, 8], "decoder.channels": [3, 5, 7]}
    )
    heads: Any = model.heads
    assert [head.conv.in_channels for head in heads] == [3, 5, 7]


def test_average_heads_without_side_heads_is_refused() -> None:
    with pytest.raises(ValueError, match="average_heads=true needs"):
        tiny(changes={"average_heads": True})


def test_an_encoder_of_one_row_is_refused() -> None:
    with pytest.raises(ValueError, match="single level"):
        tiny(changes={"encoder.channels": [4]})


def test_parts_are_plain_callables() -> None:
    from unetzoo.decoders import ConvDecoder
    from unetzoo.heads import Head
    from unetzoo.skips import ConcatSkip

    model = UNet(
        in_channels=2,
        num_classes=3,
        encoder=ConvEncoder,
        skip=ConcatSkip,
        decoder=ConvDecoder,
        head=partial(Head, activation="softmax"),
    )
    assert model.divisor == (16, 16)
    assert (model.ndim, model.activation) == (2, "softmax")
