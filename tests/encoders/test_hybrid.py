"""TransUNet's encoder is timm's hybrid without the class token."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from timm.layers.std_conv import StdConv2dSame
from timm.models import vision_transformer_hybrid
from timm.models.resnetv2 import ResNetV2
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from unetzoo import create_model
from unetzoo.encoders import HybridEncoder, hybrid
from unetzoo.encoders.hybrid import _group_norm

timm_hybrid: Any = vision_transformer_hybrid
SMALL: Any = {"channels": [16, 16, 32], "layers": [1, 1], "width": 8, "depth": 2, "heads": 2, "grid": 4}


def timms(class_token: bool) -> Any:
    torch.manual_seed(0)
    body = ResNetV2(
        [1, 1], channels=(16, 32), stem_chs=16, num_classes=0, global_pool="", preact=False, stem_type="same",
        norm_layer=_group_norm, conv_layer=partial(StdConv2dSame, eps=1e-8),
    )  # fmt: skip
    embed: Any = partial(timm_hybrid.HybridEmbed, backbone=body)
    model = VisionTransformer(
        img_size=32, patch_size=1, embed_layer=embed, embed_dim=8, depth=2, num_heads=2, num_classes=0,
        class_token=class_token, global_pool="",
    )  # fmt: skip
    for parameter in model.parameters():
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    return model.eval()


def test_the_tokens_are_timms() -> None:
    theirs = timms(class_token=False)
    ours = HybridEncoder(3, **SMALL).eval()
    ours.take(theirs)
    x = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        tokens = ours(x)[-1].flatten(2).transpose(1, 2)
        torch.testing.assert_close(tokens, theirs(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("bands", "stem"), [(3, "cyclic"), (1, "mean")])
def test_released_weights_are_taken_but_the_class_token(
    bands: int, stem: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hybrid, "_released", lambda weights: timms(class_token=True))
    (tmp_path / "weights.pth").touch()
    encoder: Any = HybridEncoder(bands, weights=tmp_path / "weights.pth", stem=stem, **SMALL)
    theirs = timms(class_token=True)
    torch.testing.assert_close(encoder.positions.flatten(2).transpose(1, 2), theirs.pos_embed[:, 1:])
    assert torch.equal(encoder.blocks[1].mlp.fc2.weight, theirs.blocks[1].mlp.fc2.weight)
    assert encoder.stem[0].weight.shape == (16, bands, 7, 7)


def test_weights_of_other_widths_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hybrid, "_released", lambda weights: timms(class_token=True))
    with pytest.raises(ValueError, match="do not fit this encoder"):
        HybridEncoder(3, pretrained=True, **SMALL | {"width": 12})


def test_a_missing_weights_file_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere.pth: no such weights file"):
        HybridEncoder(3, weights="nowhere.pth", **SMALL)


def test_layers_that_do_not_fit_the_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="must give one number for each but the first"):
        HybridEncoder(3, **SMALL | {"layers": [1]})


def test_da_trans_unet_is_trans_unet_and_its_blocks() -> None:
    with torch.device("meta"):
        model: Any = create_model("da_trans_unet", in_channels=3, num_classes=9)

    def count(module: nn.Module) -> int:
        return sum(p.numel() for p in module.parameters())

    blocks = [*model.skip.blocks, model.encoder.enrich]
    # the authors' 91,862, 365,610 and 821,246 without two heads each; 5,910 with a channel to compare by
    assert [count(block) for block in blocks] == [5_280, 83_158, 331_818, 745_982]
    # TransUNet's R50-ViT-B/16 has 105,276,066 with 2 classes, and 145 more per class
    assert count(model) - sum(map(count, blocks)) == 105_276_066 + 7 * 145
