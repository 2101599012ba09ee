from pathlib import Path
from typing import Any

import pytest
import torch

from unetzoo import create_model
from unetzoo.auxiliary import FeatureSupervision
from unetzoo.composites import MaskEncoder
from unetzoo.levels import Level
from unetzoo.unet import UNet

STAGES: list[list[int | str]] = [[4, 2, 4], ["4F", 2, 6]]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    small = {"encoder.stages": STAGES, "encoder.stem": 2}
    return create_model("is_net_teacher", overrides=small).save_pretrained(tmp_path_factory.mktemp("teacher"))


def student(teacher: Path | None, **changes: Any) -> UNet:
    auxiliary = {
        "_target_": "unetzoo.auxiliary.FeatureSupervision",
        "_partial_": True,
        "teacher": None if teacher is None else str(teacher),
    }
    small = {"encoder.stages": STAGES, "encoder.stem": 2, "decoder.stages": [["4F", 2, 4]]}
    small |= {"auxiliary": {"feature_supervision": auxiliary | changes}}
    return create_model("is_net", overrides=small)


def mask(*size: int) -> torch.Tensor:
    return torch.randint(0, 2, size, generator=torch.Generator().manual_seed(0))


def objective(model: UNet) -> FeatureSupervision:
    (part,) = [part for _, part in model.objectives()]
    assert isinstance(part, FeatureSupervision)
    return part


def test_equal_features_cost_nothing_and_others_their_mean_squared_difference(teacher: Path) -> None:
    part = objective(student(teacher))
    encoder, target = part.teacher(torch.device("cpu")), mask(2, 16, 12)
    with torch.no_grad():
        wanted = encoder.features(encoder.shown(torch.zeros(2, 3, 16, 12), target))
    assert part(wanted[::-1], target) == 0
    other = [torch.randn_like(row) for row in wanted]
    each = [torch.nn.functional.mse_loss(a, b) for a, b in zip(other, wanted, strict=True)]
    torch.testing.assert_close(part(other[::-1], target), torch.stack(each).mean())


def test_the_teacher_learns_nothing_and_the_network_does(teacher: Path) -> None:
    model = student(teacher)
    _, losses = model.forward_train(torch.randn(2, 3, 13, 11), mask(2, 13, 11))
    losses["feature_supervision"].backward()  # type: ignore[no-untyped-call]
    encoder = objective(model).teacher(torch.device("cpu"))
    assert not encoder.training
    assert all(p.grad is None and not p.requires_grad for p in encoder.parameters())
    fed = [p.grad is not None for name, p in model.named_parameters() if not name.startswith("heads.")]
    assert all(fed)


def test_the_teacher_is_neither_saved_nor_needed_to_load(teacher: Path, tmp_path: Path) -> None:
    plain = create_model("is_net", overrides={"encoder.stages": STAGES, "decoder.stages": [["4F", 2, 4]]})
    model = student(tmp_path / "gone.ckpt")
    assert not any("teacher" in key or "auxiliary" in key for key in model.state_dict())
    assert len(list(model.parameters())) == len(list(plain.parameters()))
    x = torch.randn(1, 3, 13, 11)
    assert model.eval()(x).shape == (1, 1, 13, 11)
    with pytest.raises(FileNotFoundError, match=r"gone\.ckpt: no such checkpoint"):
        model.train().forward_train(torch.randn(2, 3, 13, 11), mask(2, 13, 11))


def test_features_of_pixels_without_label_take_no_part(teacher: Path) -> None:
    part = objective(student(teacher))
    rows = [torch.randn(1, 6, 4, 4), torch.randn(1, 4, 8, 8)]
    target = mask(1, 16, 16)
    target[:, :, 8:] = 255
    changed = [row.clone() for row in rows]
    for row in changed:
        row[..., row.shape[-1] // 2 :] += 100
    assert torch.equal(part(rows, target), part(changed, target))
    assert part(rows, torch.full_like(target, 255)) == 0


def test_no_teacher_or_one_that_does_not_fit_is_refused(teacher: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"needs a trained teacher; train one, unetzoo train model=is_net_t"):
        student(None)
    with pytest.raises(ValueError, match="'l3' is unknown; choose mse, mae, smooth_l1"):
        student(teacher, distance="l3")
    part = FeatureSupervision([Level(4, (1, 1))], 2, teacher=teacher)
    with pytest.raises(
        ValueError, match=r"rows \(width, stride\) \[\(4, 2\), \(6, 4\)\] are not the decoder"
    ):
        part([torch.zeros(1, 4, 8, 8)], mask(1, 8, 8))
    unet = create_model(encoder="conv2d", overrides={"encoder.channels": [2, 4], "decoder.channels": [2]})
    part = FeatureSupervision([Level(2, (1, 1))], 2, teacher=unet.save_pretrained(tmp_path / "unet"))
    with pytest.raises(ValueError, match="holds a UNet, which is no teacher of feature supervision"):
        part([torch.zeros(1, 2, 8, 8)], mask(1, 8, 8))


def test_a_mask_encoder_is_shown_the_mask_whatever_the_image() -> None:
    small = {"encoder.stages": STAGES, "encoder.stem": 2}
    model: Any = create_model("is_net_teacher", overrides=small)
    assert isinstance(model, MaskEncoder)
    target = torch.tensor([[[0, 1], [255, 1]]])
    assert torch.equal(model.shown(torch.randn(1, 3, 2, 2), target), torch.tensor([[[[0.0, 1], [0, 1]]]]))
    three = {"mask_channels": 3, "head._target_": "unetzoo.heads.Head", "head.activation": "softmax"}
    model = create_model("is_net_teacher", num_classes=3, overrides=small | three)
    assert model.shown(torch.randn(1, 1, 2, 2), target).sum(1).tolist() == [[[1, 1], [0, 1]]]
    assert model.shown(torch.randn(1, 1, 2, 2), target.expand(1, 3, 2, 2)).shape == (1, 3, 2, 2)
    with pytest.raises(ValueError, match="shown masks of 3 channels and not images of 1 bands"):
        model(torch.randn(1, 1, 8, 8))
    with pytest.raises(ValueError, match="mask_channels=1 cannot hold 3 classes; set it to 3"):
        create_model("is_net_teacher", num_classes=3, overrides=small | three | {"mask_channels": 1})
