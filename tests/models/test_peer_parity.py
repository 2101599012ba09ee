"""With weights copied over, networks are those of segmentation_models.pytorch and MONAI."""

from collections.abc import Callable
from typing import Any

import pytest
import segmentation_models_pytorch as smp
import torch
from monai.networks.nets.attentionunet import AttentionUnet
from monai.networks.nets.basic_unetplusplus import BasicUNetPlusPlus
from torch import nn

from unetzoo import create_model
from unetzoo.convert import convert

ENCODER = "resnet34"


def spread(model: nn.Module) -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith(("running_mean", "running_var")):
                tensor.add_(0.5 * torch.rand_like(tensor))
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.add_(0.1 * torch.randn_like(parameter))


@pytest.mark.parametrize(
    ("peer", "parameters"),
    [("Unet", 24_436_369), ("UnetPlusPlus", 26_078_609), ("Linknet", 21_771_937)],
)
def test_converted_network_answers_as_the_peers(
    peer: str, parameters: int, count: Callable[[nn.Module], int]
) -> None:
    theirs = getattr(smp, peer)(ENCODER, encoder_weights=None, classes=1).eval()
    spread(theirs)
    ours = convert(theirs.state_dict(), f"smp.{peer}", encoder=ENCODER)
    assert count(ours) == count(theirs) == parameters
    x = torch.randn(2, 3, 96, 64)
    with torch.inference_mode():
        torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("peer", "widths"), [("Unet", (40, 24, 20, 16, 8)), ("UnetPlusPlus", (40, 24, 20, 16, 8))]
)
def test_widths_bands_and_classes_are_read_off_the_weights(peer: str, widths: tuple[int, ...]) -> None:
    theirs = getattr(smp, peer)(
        "resnet18", encoder_weights=None, classes=4, in_channels=5, decoder_channels=widths
    ).eval()
    spread(theirs)
    ours = convert(theirs.state_dict(), f"smp.{peer}", encoder="resnet18", head="multilabel")
    assert (ours.in_channels, ours.num_classes, ours.activation) == (5, 4, "sigmoid")
    x = torch.randn(1, 5, 64, 32)
    with torch.inference_mode():
        torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("ndim", "widths", "size"), [(2, (4, 6, 8), (24, 16)), (3, (4, 8), (6, 4, 8))])
def test_attention_unet_of_monai_answers_alike(
    ndim: int, widths: tuple[int, ...], size: tuple[int, ...]
) -> None:
    theirs = AttentionUnet(ndim, 2, 3, widths, (2,) * (len(widths) - 1), up_kernel_size=2 * ndim - 1).eval()
    spread(theirs)
    ours = convert(theirs.state_dict(), "monai.AttentionUnet")
    x = torch.randn(2, 2, *size)
    with torch.inference_mode():
        torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("ndim", "options"),
    [
        (2, {"features": (8, 16, 16, 24, 32, 4)}),
        (3, {"features": (4, 4, 6, 6, 8, 5), "norm": "batch", "bias": False}),
    ],
)
def test_basic_unet_plus_plus_of_monai_answers_alike_at_every_head(
    ndim: int, options: dict[str, Any]
) -> None:
    theirs = BasicUNetPlusPlus(ndim, 1, 1, deep_supervision=True, **options).eval()
    spread(theirs)
    ours = convert(theirs.state_dict(), "monai.BasicUNetPlusPlus")
    x = torch.randn(2, 1, *(32, 48, 16)[:ndim])
    with torch.inference_mode():
        *sides, main = theirs(x)
        torch.testing.assert_close(ours.forward_deep(x), [main, *sides], rtol=0, atol=1e-5)


def test_what_is_built_otherwise_is_refused() -> None:
    scse = smp.Unet("resnet18", encoder_weights=None, decoder_attention_type="scse").state_dict()
    with pytest.raises(ValueError, match="is built otherwise than ours"):
        convert(scse, "smp.Unet", encoder="resnet18")
    with pytest.raises(ValueError, match="their encoder is built otherwise than ours"):
        convert(scse, "smp.Unet", encoder="resnet34")
    with pytest.raises(ValueError, match=r"no weights of smp\.Unet: 'segmentation_head"):
        convert({}, "smp.Unet", encoder="resnet18")
    with pytest.raises(ValueError, match=r"'smp\.FPN' is unknown; choose one of smp\.Unet"):
        convert(scse, "smp.FPN", encoder="resnet18")
    with pytest.raises(ValueError, match=r"smp\.Unet is built around an encoder; give its name"):
        convert(scse, "smp.Unet")
    gated = AttentionUnet(2, 1, 2, (4, 8), (2,), kernel_size=5).state_dict()
    with pytest.raises(
        ValueError, match=r"their model.0 is built otherwise than ours .* \[4, 1, 5, 5\] where"
    ):
        convert(gated, "monai.AttentionUnet")
    with pytest.raises(
        ValueError, match=r"monai\.AttentionUnet has an encoder of its own; leave encoder out"
    ):
        convert(gated, "monai.AttentionUnet", encoder="resnet18")
    plain: Any = {"upsample": "nontrainable", "features": (4, 4, 4, 4, 4, 4)}
    with pytest.raises(
        ValueError, match=r"no weights of monai\.BasicUNetPlusPlus: 'upcat_0_1\.upsample\.deconv"
    ):
        convert(BasicUNetPlusPlus(2, 1, 2, **plain).state_dict(), "monai.BasicUNetPlusPlus")


def test_names_of_smp_are_understood() -> None:
    kwargs: dict[str, Any] = {"encoder_name": "resnet10t", "encoder_weights": None, "in_channels": 4}
    model = create_model("unet", **kwargs, classes=1).eval()
    assert model(torch.zeros(1, 4, 32, 32)).shape == (1, 1, 32, 32)
    assert create_model("unet", **kwargs, classes=3).num_classes == 3


@pytest.mark.parametrize("depth", [3, 5])
def test_default_widths_follow_the_depth_of_the_encoder(depth: int) -> None:
    model = create_model("unet", encoder="resnet10t", overrides={"encoder.depth": depth})
    assert [level.channels for level in model.decoder.levels] == [16, 32, 64, 128, 256][:depth]
