import pytest
import torch
from monai.losses.hausdorff_loss import HausdorffDTLoss
from torch.nn import functional as F

from unetzoo.losses import Hausdorff


@pytest.mark.parametrize("log", [True, False])
def test_it_is_that_of_monai(log: bool) -> None:
    torch.manual_seed(0)
    logits, target = torch.randn(2, 3, 9, 8), torch.randint(0, 3, (2, 9, 8))
    one_hot = F.one_hot(target, 3).movedim(-1, 1).float()
    classes = HausdorffDTLoss(softmax=True, reduction="none")(logits, one_hot).flatten(1)
    expected = (classes.log1p() if log else classes).mean()
    found = Hausdorff(activation="softmax", log=log, batch=False)(logits, target)
    torch.testing.assert_close(found, expected)


def test_an_error_far_off_costs_more_than_one_near_by() -> None:
    target = torch.zeros(1, 20, 20, dtype=torch.int64)
    target[:, 3:8, 3:8] = 1
    values = []
    for column in (8, 18):
        found = target.clone()
        found[:, 5, column] = 1
        logits = (found * 2 - 1).unsqueeze(1) * 20.0
        values.append(Hausdorff(activation="sigmoid")(logits, target).item())
    assert values[1] > 10 * values[0]
