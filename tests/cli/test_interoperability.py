"""Networks come from other libraries, and go to them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import unetzoo
from unetzoo.cli import main

CKPT = "runs/tiny/checkpoints/best.ckpt"

# the keys that MONAI's schema of 2024-07-25 requires, and of what kind they are
SCHEMA = {
    "type": "object",
    "required": [
        *("schema", "version", "monai_version", "pytorch_version", "numpy_version", "task", "description"),
        *("required_packages_version", "authors", "copyright", "network_data_format"),
    ],
    "properties": {
        "required_packages_version": {"type": "object"},
        "changelog": {"type": "object"},
        "eval_metrics": {"type": "object"},
        "network_data_format": {
            "type": "object",
            "required": ["inputs", "outputs"],
            "additionalProperties": {"patternProperties": {"^.+$": {"$ref": "#/$defs/tensor"}}},
        },
    },
    "$defs": {
        "tensor": {
            "type": "object",
            "required": ["type", "format", "num_channels", "spatial_shape", "dtype", "value_range"],
            "properties": {
                "num_channels": {"type": "integer"},
                "spatial_shape": {"type": "array", "items": {"type": ["string", "integer"]}},
                "value_range": {"type": "array", "items": {"type": "number"}},
                "channel_def": {"type": "object"},
            },
        }
    },
}


def test_bundle_is_one_that_monai_accepts_and_runs(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from monai.bundle import scripts as bundle

    assert main(["bundle", f"ckpt={CKPT}", "out=bundle", "licence=CC-BY-4.0"]) == 0
    Path("schema.json").write_text(json.dumps(SCHEMA))
    configs = Path("bundle").resolve() / "configs"
    meta, config = str(configs / "metadata.json"), str(configs / "inference.json")
    bundle.verify_metadata(meta_file=meta, filepath=str(Path("schema.json").resolve()))
    assert main(["predict", f"ckpt={CKPT}", "inputs=images", "out=ours"]) == 0
    images = str(Path("images").resolve())
    whole = Path("ours").resolve()
    monkeypatch.chdir("bundle")
    bundle.verify_net_in_out("network_def", meta_file=meta, config_file=config, device="cpu")
    bundle.run(config_file=config, meta_file=meta, inputs=[images], output_dir="masks")
    for mask in whole.iterdir():
        assert (Path("masks") / mask.name).read_bytes() == mask.read_bytes()


def test_network_of_a_peer_is_converted_and_exported(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import segmentation_models_pytorch as smp

    torch.manual_seed(0)
    theirs = smp.Unet("resnet18", encoder_weights=None, classes=2, decoder_channels=(32, 16, 16, 8, 8)).eval()
    wrapped: Any = nn.Module()
    wrapped.model = theirs
    torch.save({"epoch": 3, "state_dict": wrapped.state_dict()}, "peer.ckpt")
    arguments = ["convert", "weights=peer.ckpt", "peer=smp.Unet", "encoder=resnet18", "out=converted"]
    assert main([*arguments, "classes=[ground,building]", "tile=[64,64]"]) == 0
    assert main(["predict", "ckpt=converted", "inputs=images", "out=labels"]) == 0
    ours = unetzoo.load("converted")
    assert ours.data is not None
    assert [c.name for c in ours.data.classes] == ["ground", "building"]
    x = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(ours.eval()(x), theirs(x), rtol=0, atol=1e-5)
    assert np.asarray(Image.open("labels/c0.png")).shape == (24, 24)
    capsys.readouterr()
    for changes, culprit in (
        (["encoder=resnet34"], "their encoder is built otherwise than ours"),
        (["classes=[one]"], "are 1 but the network has 2"),
        (["peer=smp.FPN"], "peer 'smp.FPN' is unknown"),
        (["weights=images/c0.png"], "is no file of weights alone"),
        (["weights=gone.pth"], "gone.pth: no such file"),
    ):
        assert main([*arguments, *changes]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert culprit in said


def test_network_of_monai_is_converted_without_an_encoder(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from monai.networks.nets.attentionunet import AttentionUnet

    torch.manual_seed(0)
    theirs = AttentionUnet(3, 1, 2, (4, 8), (2,)).eval()
    torch.save(theirs.state_dict(), "monai.pt")
    arguments = ["convert", "weights=monai.pt", "peer=monai.AttentionUnet", "out=volumes", "bands=[mr]"]
    assert main(arguments) == 2
    assert "normalisation 'imagenet' is for 3 bands" in capsys.readouterr().err
    assert main([*arguments, "normalisation.method=zscore", "value_range=null"]) == 0
    ours = unetzoo.load("volumes").eval()
    assert ours.data is not None
    assert ours.data.tile == (96, 96, 96)
    x = torch.randn(1, 1, 4, 6, 8)
    with torch.inference_mode():
        torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=1e-5)
