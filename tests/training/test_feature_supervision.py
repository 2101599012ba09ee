"""IS-Net's two stages as a user runs them: a teacher that is shown masks, then the network it teaches."""

from pathlib import Path

from hydra import compose, initialize_config_module

from unetzoo import load
from unetzoo.composites import MaskEncoder
from unetzoo.training import train


def test_a_teacher_is_trained_on_masks_and_then_teaches(settings: list[str], tmp_path: Path) -> None:
    common = [s for s in settings if not s.startswith("model")]
    small = ["model.encoder.stages=[[4,2,4],[4F,2,6]]", "model.encoder.stem=2"]
    first = [*common, *small, "model=is_net_teacher", "run_id=teacher"]
    second = [
        *common,
        *small,
        "model=is_net",
        "model.decoder.stages=[[4F,2,4]]",
        "model/auxiliary=feature_supervision",
        f"model.auxiliary.feature_supervision.teacher={tmp_path}/teacher/checkpoints/best.ckpt",
        "trainer.max_epochs=1",
    ]
    with initialize_config_module("unetzoo.configs", version_base="1.3"):
        stages = [compose("train", overrides=overrides) for overrides in (first, second)]
    teacher = load(train(stages[0]) / "checkpoints" / "best.ckpt")
    assert isinstance(teacher, MaskEncoder)
    # it was validated on masks too
    assert teacher.metrics["val/dice"] > 0.5
    run = train(stages[1])
    assert load(run / "checkpoints" / "best.ckpt").metrics["train/loss"] > 0
    (tmp_path / "teacher" / "checkpoints" / "best.ckpt").unlink()
    load(run / "checkpoints" / "best.ckpt")
