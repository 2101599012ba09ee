from collections.abc import Callable
from typing import Any

import pytest
from omegaconf import DictConfig

from unetzoo.callbacks import DropBlockRamp
from unetzoo.task import SegmentationTask
from unetzoo.training import train

Compose = Callable[..., DictConfig]


def test_what_is_dropped_rises_evenly_from_nothing_to_p(
    config: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def step(self: SegmentationTask, batch: Any, batch_idx: int) -> Any:
        seen.append(self.model.get_submodule("skip.drops.0").progress.item())  # type: ignore[operator]
        return original(self, batch, batch_idx)

    original = SegmentationTask.training_step
    monkeypatch.setattr(SegmentationTask, "training_step", step)
    train(config("model/skip=drop_block", "callbacks=drop_block_ramp", "callbacks.drop_block_ramp.until=0.5"))
    half = len(seen) / 2
    assert seen == pytest.approx([min(1, i / half) for i in range(len(seen))])
    assert seen[0] == 0
    assert seen[-1] == 1


def test_a_ramp_without_drop_block_is_refused(config: Compose) -> None:
    with pytest.raises(ValueError, match="finds no DropBlock; choose model/skip=drop_block"):
        train(config("callbacks=drop_block_ramp"))
    with pytest.raises(ValueError, match="until=0 is no fraction"):
        DropBlockRamp(until=0)
