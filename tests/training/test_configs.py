"""Every file of the config groups builds what it names."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig

from unetzoo.configs import ROOT
from unetzoo.training import train

Compose = Callable[..., DictConfig]


def names(group: str) -> list[str]:
    return sorted(path.stem for path in Path(ROOT, group).glob("*.yaml"))


IMAGE_LOSSES = {"l1", "multi_window"}


@pytest.mark.parametrize("name", sorted(IMAGE_LOSSES))
def test_loss_of_images_takes_images_alone(config: Compose, name: str) -> None:
    loss = instantiate(config(f"loss={name}", "model/head=regression").loss)
    image = torch.randn(2, 3, 8, 8, requires_grad=True)
    value = loss(image, torch.randn(2, 3, 8, 8))
    value.backward()
    assert value > 0
    assert image.grad is not None
    with pytest.raises(ValueError, match="choose loss=dice_ce for classes"):
        loss(image, torch.randint(0, 2, (2, 3, 8, 8)))


@pytest.mark.parametrize("head", ["multiclass", "binary", "multilabel"])
@pytest.mark.parametrize("name", sorted({*names("loss")} - IMAGE_LOSSES))
def test_loss_goes_with_every_head(config: Compose, name: str, head: str) -> None:
    loss = instantiate(config(f"loss={name}", f"model/head={head}").loss)
    logits = torch.randn(2, 1 if head == "binary" else 3, 8, 8, requires_grad=True)
    target = torch.randint(0, 2, (2, 3, 8, 8) if head == "multilabel" else (2, 8, 8))
    value = loss(logits, target)
    value.backward()
    assert value > 0
    assert logits.grad is not None
    assert logits.grad.abs().sum() > 0


@pytest.mark.parametrize("scheduler", names("scheduler"))
@pytest.mark.parametrize("optimizer", names("optimizer"))
def test_optimizer_and_scheduler_fit(config: Compose, optimizer: str, scheduler: str) -> None:
    cfg = config(f"optimizer={optimizer}", f"scheduler={scheduler}")
    made = instantiate(cfg.optimizer)([{"params": [torch.nn.Parameter(torch.zeros(2, 2))]}])
    schedule = instantiate(cfg.scheduler)(made, total_steps=10)
    made.step()
    schedule.step()
    assert 0 < schedule.get_last_lr()[0] <= cfg.optimizer.lr


@pytest.mark.parametrize("name", sorted(set(names("trainer")) - {"gpu", "ddp"}))
def test_trainer_can_be_made(config: Compose, name: str) -> None:
    cfg = config(f"trainer={name}")
    trainer = instantiate(cfg.trainer)(logger=False, enable_checkpointing=False)
    assert trainer.max_epochs == cfg.trainer.max_epochs


def test_several_callbacks_are_listed(config: Compose) -> None:
    assert set(config("callbacks=[ema,early_stopping]").callbacks) == {"ema", "early_stopping"}
    assert not config().callbacks


def test_tensorboard_lies_in_the_run_and_the_command_is_quiet(
    config: Compose, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = train(config("logger=tensorboard", "trainer=debug", "trainer.accelerator=cpu"))
    assert list((run / "tensorboard").glob("events.*"))
    out, err = capfd.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert len(lines) == 5  # what is trained, three epochs, where the best is
    assert "0.01 M parameters; 8 train, 5 val, 0 test cases; CPU x 1; training for 3 epochs" in lines[0]
