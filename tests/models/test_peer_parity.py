"""With weights copied over, U-Net and LinkNet are those of segmentation_models.pytorch."""

from collections.abc import Callable
from typing import Any

import pytest
import segmentation_models_pytorch as smp
import torch
from torch import Tensor, nn

from unetzoo import create_model

ENCODER = "resnet34"


def copied(theirs: nn.Module, ours: Any, width_of_rows: int) -> dict[str, Tensor]:
    """Their weights under our names.

    Modules stand in the same order, but our rows are listed finest first, and our concatenation is
    [skip, gate] where theirs is [gate, skip], which permutes the input columns of a row's first convolution.
    """
    source = theirs.state_dict()
    row_of = {
        f"decoder.{part}.{r}": f"decoder.blocks.{width_of_rows - 1 - r}"
        for part in ("ups", "blocks")
        for r in range(5)
    }
    groups: dict[str, list[str]] = {}
    for key in source:
        prefix = key.split(".")
        groups.setdefault(".".join(prefix[:3]) if prefix[0] == "decoder" else prefix[0], []).append(key)
    result: dict[str, Tensor] = {}
    queues = {name: iter(keys) for name, keys in groups.items()}
    for key in ours.state_dict():
        part = key.split(".")[0]
        name = {"encoder": "encoder", "heads": "segmentation_head"}.get(part) or row_of[
            ".".join(key.split(".")[:3])
        ]
        result[key] = source[next(queues[name])]
    return result


def spread(model: nn.Module) -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith(("running_mean", "running_var")):
                tensor.add_(0.5 * torch.rand_like(tensor))
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.add_(0.1 * torch.randn_like(parameter))


def test_unet_equals_smp_unet(count: Callable[[nn.Module], int]) -> None:
    theirs = smp.Unet(ENCODER, encoder_weights=None, classes=1).eval()
    ours: Any = create_model("unet", encoder=ENCODER, classes=1).eval()
    assert count(ours) == count(theirs) == 24_436_369
    spread(theirs)
    weights = copied(theirs, ours, 5)
    for row, gate in enumerate(ours.decoder.gates, start=ours.decoder.skipless):
        key = f"decoder.blocks.{row}.0.weight"
        weights[key] = weights[key].roll(-gate.channels, 1)
    ours.load_state_dict(weights, strict=True)
    x = torch.randn(2, 3, 96, 64)
    with torch.inference_mode():
        torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=1e-5)


def test_unet_plus_plus_equals_smp_unet_plus_plus(count: Callable[[nn.Module], int]) -> None:
    theirs = smp.UnetPlusPlus(ENCODER, encoder_weights=None, classes=1).eval()
    ours: Any = create_model(
        "unet_plus_plus", encoder=ENCODER, classes=1, overrides={"deep_supervision": False}
    ).eval()
    assert count(ours) == count(theirs) == 26_078_609
    spread(theirs)
    rows = ours.skip.depth
    widths = [level.channels for level in ours.encoder.levels]
    source = theirs.state_dict()
    weights: dict[str, Tensor] = {}
    for part in ("encoder", "head"):
        found = [tensor for key, tensor in source.items() if part in key.split(".")[0]]
        keys = [key for key in ours.state_dict() if key.startswith(part)]
        weights |= dict(zip(keys, found, strict=True))
    # theirs counts nodes of a row from the decoder back; the row above the finest meets no skip
    names = {f"x_0_{rows}": ("decoder.blocks.0", 0, 0)}
    for row in range(rows):
        line = rows - 1 - row
        names[f"x_0_{line}"] = (f"decoder.blocks.{row + 1}", row, line + 1)
        names |= {f"x_{line + 1 - j}_{line}": (f"skip.blocks.{row}_{j}", row, j) for j in range(1, line + 1)}
    for theirs_name, (name, row, nodes) in names.items():
        found = [v for key, v in source.items() if key.startswith(f"decoder.blocks.{theirs_name}.")]
        keys = [key for key in ours.state_dict() if key.startswith(f"{name}.")]
        weights |= dict(zip(keys, found, strict=True))
        # theirs concatenates [up, X[row][nodes - 1], ..., X[row][0]]
        first = weights[keys[0]]
        up, *left = torch.split(first, [first.shape[1] - nodes * widths[row], *[widths[row]] * nodes], 1)
        weights[keys[0]] = torch.cat([*reversed(left), up], 1)
    ours.load_state_dict(weights, strict=True)
    x = torch.randn(2, 3, 96, 64)
    with torch.inference_mode():
        torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=1e-5)


def test_linknet_equals_smp_linknet(count: Callable[[nn.Module], int]) -> None:
    theirs = smp.Linknet(ENCODER, encoder_weights=None, classes=1).eval()
    ours: Any = create_model("linknet", encoder=ENCODER, classes=1).eval()
    assert count(ours) == count(theirs) == 21_771_937
    spread(theirs)
    ours.load_state_dict(copied(theirs, ours, 5), strict=True)
    x = torch.randn(2, 3, 96, 64)
    with torch.inference_mode():
        torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=1e-5)


def test_names_of_smp_are_understood() -> None:
    kwargs: dict[str, Any] = {"encoder_name": "resnet10t", "encoder_weights": None, "in_channels": 4}
    model = create_model("unet", **kwargs, classes=1).eval()
    assert model(torch.zeros(1, 4, 32, 32)).shape == (1, 1, 32, 32)
    assert create_model("unet", **kwargs, classes=3).num_classes == 3


@pytest.mark.parametrize("depth", [3, 5])
def test_default_widths_follow_the_depth_of_the_encoder(depth: int) -> None:
    model = create_model("unet", encoder="resnet10t", overrides={"encoder.depth": depth})
    assert [level.channels for level in model.decoder.levels] == [16, 32, 64, 128, 256][:depth]
