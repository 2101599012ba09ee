import pytest
import torch
from torch.nn import functional as F

from unetzoo.losses import IoU
from unetzoo.losses.base import Activation


@pytest.mark.parametrize("batch", [True, False])
def test_iou_is_the_formula_on_the_labelled_pixels(batch: bool) -> None:
    torch.manual_seed(0)
    logits, target = torch.randn(2, 3, 6, 5), torch.randint(0, 3, (2, 6, 5))
    target[0, :3] = 255
    valid = (target != 255).unsqueeze(1)
    p = logits.softmax(1) * valid
    t = F.one_hot(target.masked_fill(target == 255, 0), 3).movedim(-1, 1) * valid
    over = (0, 2, 3) if batch else (2, 3)
    shared = (p * t).sum(over)
    expected = (1 - shared / (p.sum(over) + t.sum(over) - shared)).mean()
    found = IoU(activation="softmax", batch=batch)(logits, target)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)  # MONAI's smoothing


@pytest.mark.parametrize(("activation", "channels"), [("softmax", 2), ("sigmoid", 1)])
def test_a_right_answer_costs_nothing_and_a_wrong_one_everything(
    activation: Activation, channels: int
) -> None:
    target = torch.zeros(1, 4, 4, 4, dtype=torch.int64)
    target[:, 1:3] = 1
    sure = 40 * (target.unsqueeze(1) - 0.5)
    logits = torch.cat([-sure, sure], 1)[:, -channels:]
    loss = IoU(activation=activation)
    assert loss(logits, target).item() == pytest.approx(0, abs=1e-5)
    assert loss(-logits, target).item() == pytest.approx(1, abs=1e-5)


def test_a_class_that_neither_has_is_no_error() -> None:
    logits = torch.full((1, 1, 4, 4), -40.0)
    assert IoU(activation="sigmoid")(logits, torch.zeros(1, 4, 4, dtype=torch.int64)).item() == 0
