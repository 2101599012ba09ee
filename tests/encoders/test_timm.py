import traceback
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from unetzoo import create_model
from unetzoo.encoders import TimmEncoder

SMALL: dict[str, Any] = {"channels": [8, 8, 16, 16], "stem_width": 8}
RESNET: dict[str, Any] = {"name": "resnet10t", "options": SMALL}


@pytest.fixture(scope="module")
def backbone() -> nn.Module:
    torch.manual_seed(0)
    model: nn.Module = timm.create_model("resnet10t", **SMALL)
    return model.eval()


@pytest.fixture(scope="module", params=[".safetensors", ".pth"])
def weights(
    backbone: nn.Module, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A whole classifier's file, as timm publishes them."""
    path = tmp_path_factory.mktemp("weights") / f"resnet{request.param}"
    if path.suffix == ".pth":
        torch.save(backbone.state_dict(), path)
    else:
        save_file(backbone.state_dict(), path)
    return path


def test_weights_from_a_file_are_the_backbones(backbone: nn.Module, weights: Path) -> None:
    encoder = TimmEncoder(3, weights=weights, **RESNET)
    wanted = backbone.state_dict()
    assert all(torch.equal(value, wanted[key]) for key, value in encoder.body.state_dict().items())


def test_only_the_first_kernel_changes_for_four_bands(backbone: nn.Module, weights: Path) -> None:
    encoder = TimmEncoder(4, weights=weights, stem="mean", **RESNET)
    wanted = backbone.state_dict()
    differ = [key for key, value in encoder.body.state_dict().items() if not torch.equal(value, wanted[key])]
    assert differ == ["conv1.0.weight"]
    assert encoder(torch.zeros(1, 4, 64, 64))[1].shape == (1, 8, 16, 16)


def test_new_bands_change_nothing_at_first(weights: Path) -> None:
    rgb = TimmEncoder(3, weights=weights, **RESNET).eval()
    bands = ["red", "green", "blue", "nir", "swir"]
    more = TimmEncoder(5, weights=weights, stem="keep_rgb", bands=bands, **RESNET).eval()
    x = torch.randn(1, 5, 64, 64)
    with torch.inference_mode():
        assert all(torch.equal(a, b) for a, b in zip(more(x), rgb(x[:, :3]), strict=True))


def test_a_file_that_is_no_weights_is_named(tmp_path: Path) -> None:
    bad = tmp_path / "broken.safetensors"
    bad.write_bytes(b"\0" * 40)
    with pytest.raises(ValueError, match=r"broken\.safetensors: cannot be read as weights of resnet10t"):
        TimmEncoder(3, weights=bad, **RESNET)
    with pytest.raises(FileNotFoundError, match=r"none\.pth: no such weights file"):
        TimmEncoder(3, weights=tmp_path / "none.pth", **RESNET)


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv3_small_050"])
def test_weights_of_another_network_are_refused(weights: Path, name: str) -> None:
    with pytest.raises(ValueError, match=f"cannot be read as weights of {name}"):
        TimmEncoder(3, weights=weights, name=name)


def test_without_network_pretrained_weights_end_in_one_sentence_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    started = perf_counter()
    with pytest.raises(
        OSError, match=r"weights of resnet34 could not be downloaded \(.*\); set encoder\.weights"
    ) as caught:
        create_model("unet", encoder="resnet34", pretrained=True)
    assert perf_counter() - started < 30
    assert "During handling" not in "".join(traceback.format_exception(caught.value))
    assert "direct cause" not in "".join(traceback.format_exception(caught.value))


# name, options that make it small, width and stride of its finest row
BACKBONES = [
    ("resnet10t", SMALL, 16, 2),
    ("mobilenetv3_small_050", {}, 16, 2),
    ("efficientnet_lite0", {}, 16, 2),
    ("convnext_atto", {"dims": [8, 16, 24, 32], "depths": [1, 1, 2, 1]}, 8, 4),
    # NHWC inside
    (
        "swin_tiny_patch4_window7_224",
        {"embed_dim": 8, "depths": [1, 1, 1, 1], "num_heads": [1, 2, 4, 8]},
        8,
        4,
    ),
]


@pytest.mark.parametrize(("name", "options", "channels", "stride"), BACKBONES)
def test_a_shallow_encoder_has_the_first_rows_and_no_unused_stage(
    name: str, options: dict[str, Any], channels: int, stride: int, count: Callable[[nn.Module], int]
) -> None:
    encoder = TimmEncoder(3, name=name, depth=3, options=options)
    features = encoder(torch.randn(2, 3, 64, 96))
    assert encoder.levels[0] == (channels, (stride, stride))
    assert features[0].shape == (2, channels, 64 // stride, 96 // stride)
    assert features[2].shape[2:] == (16 // stride, 24 // stride)
    torch.stack([f.mean() for f in features]).sum().backward()  # type: ignore[no-untyped-call]
    assert [key for key, p in encoder.named_parameters() if p.grad is None] == []
    assert count(encoder) < count(TimmEncoder(3, name=name, options=options))


def test_what_is_no_feature_pyramid_is_refused() -> None:
    with pytest.raises(ValueError, match="'resnett34'; did you mean resnet34"):
        TimmEncoder(3, name="resnett34")
    with pytest.raises(ValueError, match="'vit_tiny_patch16_224' repeats a stride"):
        TimmEncoder(3, name="vit_tiny_patch16_224")
    with pytest.raises(ValueError, match="'levit_128s' takes images of one size only"):
        TimmEncoder(3, name="levit_128s")
    with pytest.raises(ValueError, match="no such feature pyramid"):
        TimmEncoder(3, name="resnet10t", depth=9)


def test_graphs_that_follow_the_images_size_say_so() -> None:
    sizes = {
        name: TimmEncoder(3, name=name, depth=2).dynamic_size
        for name in ("resnet10t", "tf_efficientnet_lite0")
    }
    assert sizes == {"resnet10t": True, "tf_efficientnet_lite0": False}


@pytest.mark.parametrize(
    ("name", "channels", "finest"),
    [
        ("densenet121", [64, 256, 512, 1024, 1024], 2),
        ("densenet161", [96, 384, 768, 2112, 2208], 2),
        ("dpn68", [10, 144, 320, 704, 832], 2),
        ("dpn92", [64, 336, 704, 1552, 2688], 2),
        ("ese_vovnet39b", [64, 256, 512, 768, 1024], 2),
        ("rdnet_tiny", [256, 440, 744, 1040], 4),
        ("rdnet_small", [264, 512, 760, 1264], 4),
        ("dla34", [32, 64, 128, 256, 512], 2),
        ("hrnet_w18", [64, 128, 256, 512, 1024], 2),
        ("fastvit_t8", [48, 96, 192, 384], 4),
        ("shvit_s1", [128, 224, 320], 16),
        ("mobilenetv2_100", [16, 24, 32, 96, 320], 2),
    ],
)
def test_rows_are_timms_features(name: str, channels: list[int], finest: int) -> None:
    with torch.device("meta"):
        encoder = TimmEncoder(3, name=name)
    assert encoder.levels == [(c, (finest * 2**i,) * 2) for i, c in enumerate(channels)]


def test_a_shallow_dla_has_the_first_rows_of_the_whole() -> None:
    options = {"channels": [4, 4, 8, 8, 16, 16]}
    whole = TimmEncoder(3, name="dla46_c", options=options)
    assert TimmEncoder(3, name="dla46_c", depth=2, options=options).levels == whole.levels[:2]


def test_a_network_without_a_last_row_of_its_own_is_not_cut() -> None:
    with pytest.raises(ValueError, match=r"makes all rows in its last stage; leave encoder\.depth null"):
        TimmEncoder(3, name="hrnet_w18_small", depth=2)


def test_every_branch_that_sees_the_image_is_given_the_bands(tmp_path: Path) -> None:
    options: dict[str, Any] = {"layers": [1, 1, 1, 1], "embed_dims": [8, 8, 16, 16]}
    torch.manual_seed(0)
    trained: nn.Module = timm.create_model("fastvit_t8", **options)
    path = tmp_path / "fastvit.pth"
    torch.save(trained.state_dict(), path)
    rgb = TimmEncoder(3, name="fastvit_t8", weights=path, options=options).eval()
    more = TimmEncoder(
        5,
        name="fastvit_t8",
        weights=path,
        options=options,
        stem="keep_rgb",
        bands=["red", "green", "blue", "nir", "swir"],
    ).eval()
    x = torch.randn(1, 5, 64, 64)
    with torch.inference_mode():
        assert all(torch.equal(a, b) for a, b in zip(more(x), rgb(x[:, :3]), strict=True))


def test_a_backbone_that_needs_a_multiple_of_32_answers_any_size() -> None:
    options = {"channels": [4, 4, 8, 8, 16, 16]}
    with pytest.raises(RuntimeError, match=r"[Ss]ize"):
        TimmEncoder(3, name="dla46_c", options=options)(torch.zeros(1, 3, 97, 130))
    overrides = {"encoder.options": options, "decoder.channels": [4, 4, 4, 8, 8]}
    model = create_model(encoder="dla46_c", overrides=overrides).eval()
    assert model(torch.zeros(1, 3, 97, 130)).shape == (1, 2, 97, 130)


def test_windows_without_padding_of_their_own_are_made_whole() -> None:
    torch.manual_seed(0)
    small = {"embed_dim": [8] * 4, "depths": [1] * 4, "stem_width": 8, "transformer_dim_head": 8}
    options = small | {"img_size": 64}
    encoder = TimmEncoder(3, name="maxvit_tiny_rw_224", depth=3, options=options).eval()
    assert encoder.unit == (16, 16)  # windows of 2 at stride 8
    x = torch.randn(1, 3, 24, 40)
    padded = torch.nn.functional.pad(x, (0, 8, 0, 8), mode="replicate")
    with torch.inference_mode():
        for ours, whole in zip(encoder(x), encoder.body(padded), strict=True):
            height, width = ours.shape[2:]
            assert torch.equal(ours, whole[..., :height, :width])
