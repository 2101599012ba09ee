from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from unetzoo import create_model
from unetzoo.unet import UNet

SMALL = {"encoder.channels": [4, 6, 8]}


def cascade(**overrides: Any) -> Any:
    torch.manual_seed(0)
    return create_model("sine_net", overrides=SMALL | overrides).eval()


def test_waves_that_add_nothing_leave_head_and_lift() -> None:
    model = cascade(waves=3)
    for wave in model.waves:
        block = wave.decoder.blocks[0]
        for layer in (block.shortcut, block.body[4]):  # the last norm; GELU(0) is 0
            for parameter in layer.parameters():
                nn.init.zeros_(parameter)
    x = torch.randn(2, 3, 16, 24)
    with torch.inference_mode():
        torch.testing.assert_close(model(x), model.head([model.lift(x)]))


def test_each_wave_corrects_the_one_before() -> None:
    model = cascade(waves=2)
    x = torch.randn(2, 3, 16, 24)
    with torch.inference_mode():
        a = model.lift(x)
        b = a + model.waves[0](a)
        c = b + model.waves[1](b)
        torch.testing.assert_close(model(x), model.head([c]))


def test_a_single_wave_is_a_unet_but_for_the_sum() -> None:
    model, wave = cascade(waves=1), cascade(waves=1).waves[0]
    unet: Any = create_model("unet", encoder="sine_net", decoder="sine_net", overrides=SMALL)
    assert isinstance(unet, UNet)
    unet.encoder.load_state_dict(
        wave.encoder.state_dict() | {f"lift.{k}": v for k, v in model.lift.state_dict().items()}
    )
    unet.decoder.load_state_dict(wave.decoder.state_dict())
    x = torch.randn(2, 3, 16, 24)
    with torch.inference_mode():
        decoded = unet.eval().decode(x)[1][-1]
        lifted = model.lift(x)
        torch.testing.assert_close(lifted + decoded, lifted + model.waves[0](lifted))


@pytest.mark.parametrize(("waves", "growth"), [(2, 1.8075), (4, 1.611), (6, 1.5)])
def test_fewer_and_wider_waves_have_as_many_parameters(
    waves: int, growth: float, count: Callable[[nn.Module], int]
) -> None:
    with torch.device("meta"):
        widths = [int(64 * growth**i) for i in range(5)]
        model = create_model(
            "sine_net", in_channels=12, num_classes=3, overrides={"encoder.channels": widths, "waves": waves}
        )
    assert count(model) == pytest.approx(35_490_219, rel=1e-3)


def test_any_parts_of_one_width_can_be_cascaded() -> None:
    model = create_model(
        "sine_net",
        encoder="conv3d",
        decoder="conv",
        skip="attention_gate",
        overrides={"encoder.channels": [4, 8], "decoder.channels": [4], "waves": 2},
    )
    assert model.ndim == 3
    assert model.eval()(torch.zeros(1, 3, 5, 7, 9)).shape == (1, 2, 5, 7, 9)


def test_what_cannot_be_added_is_refused() -> None:
    with pytest.raises(ValueError, match="a wave must end with 4 channels at stride 1"):
        create_model("sine_net", decoder="conv", overrides=SMALL | {"decoder.channels": [6, 6]})
    with pytest.raises(ValueError, match="at least one wave, got 0"):
        cascade(waves=0)
