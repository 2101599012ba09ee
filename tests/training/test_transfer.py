"""A trained network is the start of another: what is taken over, what stays fixed, what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig
from torch import nn

from unetzoo import create_model, load
from unetzoo.hub import read
from unetzoo.inference.contract import DataSpec
from unetzoo.losses import CrossEntropy
from unetzoo.task import SegmentationTask
from unetzoo.training import train
from unetzoo.transfer import freeze, start_from
from unetzoo.unet import UNet

Compose = Callable[..., DictConfig]
TUNED = ["model/skip=sc_tuner", "task.freeze=[encoder,decoder,heads]", "run_id=tuned", "trainer.max_epochs=1"]


def network(skip: str | list[str] = "concat", **options: Any) -> UNet:
    overrides = {"encoder.channels": [4, 8, 8], "decoder.channels": [4, 8, 8]}
    overrides |= {key.replace("__", "."): value for key, value in options.items() if key != "num_classes"}
    return create_model(
        encoder="conv2d", skip=skip, overrides=overrides, num_classes=options.get("num_classes", 2)
    )


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[UNet], Path]:
    def save(model: UNet) -> Path:
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        return model.save_pretrained(tmp_path / "saved")

    return save


def test_adapters_alone_learn_and_the_rest_keeps_weights_and_statistics(
    config: Compose, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first = train(config("trainer.max_epochs=1")) / "checkpoints" / "best.ckpt"
    capfd.readouterr()
    run = train(config(*TUNED, f"init={first}", "optimizer.weight_decay=0.1"))
    out, err = capfd.readouterr()
    assert err == ""
    taken, introduced = out.splitlines()[:2]
    assert taken.endswith("tensors taken over; new: skip.adapters")
    assert "0.01 M parameters, 40 of them trained; " in introduced
    before, after = read(first).weights, load(run / "checkpoints" / "best.ckpt").state_dict()
    assert [key for key in before if not torch.equal(before[key], after[key])] == []
    new = [key for key in after if key not in before]
    assert new
    assert all(key.startswith("skip.adapters") for key in new)
    assert any(after[key].abs().max() > 0 for key in new if ".2." in key)


def test_a_stopped_run_goes_on_with_its_own_weights(config: Compose, tmp_path: Path) -> None:
    first = train(config("trainer.max_epochs=1")) / "checkpoints" / "best.ckpt"
    whole = train(config(*TUNED, f"init={first}", "trainer.max_epochs=2", "run_id=whole"))
    cfg = config(*TUNED, f"init={first}", "trainer.max_epochs=2")

    def stop(self: SegmentationTask) -> None:
        if self.current_epoch == 1:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SegmentationTask, "on_train_epoch_start", stop)
        with pytest.raises(KeyboardInterrupt):
            train(cfg)
    resumed = train(cfg)
    a, b = (load(run / "checkpoints" / "last.ckpt").state_dict() for run in (whole, resumed))
    assert [key for key in a if not torch.equal(a[key], b[key])] == []


def test_outputs_are_unchanged_at_first(saved: Callable[[UNet], Path]) -> None:
    plain = network()
    path = saved(plain)
    for skip in ("sc_tuner", ["sc_tuner", "concat"]):
        tuned = network(skip)
        line = start_from(tuned, path)
        assert ("skip.adapters" if skip == "sc_tuner" else "skip.steps") in line
        x = torch.randn(1, 3, 11, 9)
        torch.testing.assert_close(tuned.eval()(x), plain.eval()(x))


def test_what_is_new_and_what_is_left_out_is_said(saved: Callable[[UNet], Path]) -> None:
    path = saved(network(deep_supervision=True))
    line = start_from(network(), path)
    assert "; new:" not in line
    assert line.endswith("; left out: heads.1")
    line = start_from(network(num_classes=5, deep_supervision=True), path, fresh=["heads"])
    assert line.endswith("; new: heads.0, heads.1")
    assert str(path) in line


def test_parts_of_another_kind_are_refused(saved: Callable[[UNet], Path]) -> None:
    path = saved(network("attention_gate"))
    untouched = network("sc_tuner")
    before = {key: value.clone() for key, value in untouched.state_dict().items()}
    with pytest.raises(
        ValueError, match=r"its skip is of another kind, with skip\.merges.*or fresh=\[skip\]"
    ):
        start_from(untouched, path)
    with pytest.raises(
        ValueError, match=r"its heads.0.conv.bias is \(2,\) and this model's \(5,\); .* fresh=\[heads\]"
    ):
        start_from(network("attention_gate", num_classes=5), path)
    residual = {"encoder.channels": [4, 8, 8], "encoder.blocks": [1, 1, 1]}
    with pytest.raises(ValueError, match="its encoder is of another kind"):
        start_from(create_model(encoder="residual2d", overrides=residual), path)
    with pytest.raises(ValueError, match="fresh lists 'head', which this model lacks; its parts are encoder"):
        start_from(untouched, path, fresh=["head"])
    with pytest.raises(FileNotFoundError, match="no such checkpoint"):
        start_from(untouched, path / "nowhere.ckpt")
    assert all(torch.equal(value, before[key]) for key, value in untouched.state_dict().items())


def test_fresh_without_init_is_refused(config: Compose) -> None:
    with pytest.raises(ValueError, match=r"fresh=\['heads'\] are parts that take no weights from init"):
        train(config("fresh=[heads]"))


def test_frozen_norms_and_weights_are_out_of_training(data_of: Callable[..., DataSpec]) -> None:
    model = network()
    task = SegmentationTask(
        model,
        CrossEntropy(activation="softmax"),
        torch.optim.AdamW,
        data=data_of(model, (16, 16)),
        freeze=["encoder"],
    )
    modes = {
        name.partition(".")[0]: module.training
        for name, module in model.named_modules()
        if isinstance(module, nn.BatchNorm2d)
    }
    assert modes == {"encoder": False, "decoder": True}
    groups = task.build_optimizer().param_groups
    learned = sum(len(group["params"]) for group in groups)
    assert learned == len(list(model.parameters())) - len(list(model.encoder.parameters()))


def test_names_that_are_no_parts_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"task\.freeze lists 'encodr', .* its parts are encoder, decoder, heads"
    ):
        freeze(network(), ["encodr"])
    with pytest.raises(ValueError, match=r"task\.freeze=\['encoder', 'decoder', 'heads'\] leaves nothing"):
        freeze(network(), ["encoder", "decoder", "heads"])
