import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from unetzoo import create_model, from_pretrained, load
from unetzoo.inference.contract import DataSpec
from unetzoo.unet import UNet


@pytest.fixture
def model(data_of: Callable[..., DataSpec]) -> UNet:
    torch.manual_seed(0)
    small = {"encoder.channels": [4, 8], "decoder.channels": [4]}
    network = create_model(
        encoder="conv2d", skip=["nested", "attention_gate"], in_channels=2, overrides=small
    )
    network.data, network.metrics, network.run_config = (
        data_of(network, (32, 32)),
        {"val/dice": 0.5},
        "seed: 1\n",
    )
    return network.eval()


def test_a_saved_model_comes_back_whole(model: UNet, tmp_path: Path) -> None:
    folder = model.save_pretrained(tmp_path / "model")
    assert sorted(p.name for p in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    again = from_pretrained(folder)
    x = torch.randn(1, 2, 19, 23)
    assert torch.equal(again(x), model(x))
    assert not again.training
    assert (again.data, again.metrics, again.run_config) == (model.data, model.metrics, model.run_config)
    assert again.config == model.config


def test_the_card_names_bands_classes_and_measures(model: UNet, tmp_path: Path) -> None:
    card = (model.save_pretrained(tmp_path) / "README.md").read_text()
    assert "library_name: unetzoo" in card
    assert "band0, band1" in card
    assert "class0, class1" in card
    assert "val/dice: 0.5000" in card


def test_trained_weights_are_never_downloaded_again(tmp_path: Path) -> None:
    model = create_model(encoder="resnet10t", overrides={"encoder.depth": 2})
    assert model.config is not None
    model.config["encoder"]["pretrained"] = True
    x = torch.randn(1, 3, 16, 16)
    assert torch.equal(load(model.save_pretrained(tmp_path))(x), model.eval()(x))


def test_a_config_with_foreign_code_is_refused_before_anything_runs(model: UNet, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    ran = tmp_path / "ran"
    config["model"]["skip"] = {
        "_target_": "pathlib.Path.touch",
        "self": {"_target_": "pathlib.Path", "_args_": [str(ran)]},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(
        ValueError, match=r"would call 'pathlib\.Path\.touch', which is not a part of unetzoo"
    ):
        load(tmp_path)
    assert not ran.exists()


@pytest.mark.parametrize("damage", [b"", b"\0" * 40, b"half"])
def test_damaged_weights_are_named(model: UNet, tmp_path: Path, damage: bytes) -> None:
    path = model.save_pretrained(tmp_path) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:200] if damage == b"half" else damage)
    with pytest.raises(ValueError, match=r"model\.safetensors: cannot be read as safetensors"):
        load(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"model": {}, "data": 3}',
        '{"model": {}, "data": null, "run_config": "", "metrics": {}}',
    ],
)
def test_damaged_configs_are_named(model: UNet, tmp_path: Path, text: str) -> None:
    (model.save_pretrained(tmp_path) / "config.json").write_text(text)
    with pytest.raises(
        ValueError, match=r"config\.json: not a unetzoo config|data must be a mapping|builds dict, not a net"
    ):
        load(tmp_path)


def test_weights_of_another_model_are_refused(model: UNet, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["model"]["encoder"]["channels"] = [4, 8, 8]
    config["model"]["decoder"]["channels"] = [4, 4]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="its weights do not fit its config"):
        load(tmp_path)


def test_missing_files_are_named(model: UNet, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such checkpoint or model folder"):
        load(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"has no config\.json"):
        load(tmp_path)
    (model.save_pretrained(tmp_path) / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"has no model\.safetensors"):
        load(tmp_path)


def test_without_network_the_hub_ends_in_one_sentence(model: UNet, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ConnectionError, match="someone/model could not be uploaded") as pushed:
        model.push_to_hub("someone/model")
    with pytest.raises(ConnectionError, match="someone/model could not be downloaded") as pulled:
        from_pretrained("someone/model")
    assert "\n" not in f"{pushed.value}{pulled.value}"
    with pytest.raises(FileNotFoundError, match="neither a folder here nor a repository name"):
        from_pretrained("just-a-name")


def test_a_model_put_together_by_hand_cannot_be_saved(model: UNet, tmp_path: Path) -> None:
    model.config = None
    with pytest.raises(ValueError, match="not built by create_model"):
        model.save_pretrained(tmp_path / "model")
    assert not (tmp_path / "model").exists()
