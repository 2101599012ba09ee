import pytest
import torch
from monai.losses.cldice import SoftclDiceLoss
from torch.nn import functional as F

from unetzoo.losses import ClDice, Dice


@pytest.mark.parametrize("size", [(9, 8), (5, 6, 7)])
def test_of_one_class_it_is_that_of_monai(size: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    logits, target = torch.randn(2, 1, *size), torch.randint(0, 2, (2, *size))
    expected = SoftclDiceLoss(iter_=4, sigmoid=True)(logits, target.unsqueeze(1).float())
    found = ClDice(activation="sigmoid", iterations=4, batch=False)(logits, target)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)  # MONAI smooths once more


def test_a_torn_line_costs_more_than_in_dice() -> None:
    line = torch.zeros(1, 20, 20, dtype=torch.int64)
    line[:, 4:16, 3:9] = 1  # thick
    line[:, 10, 9:] = 1  # thin
    found = line.clone()
    found[:, 10, 9:] = 0
    logits = (F.one_hot(found, 2).movedim(-1, 1) - 0.5) * 40
    lost = ClDice(activation="softmax", iterations=6)(logits, line)
    assert lost > 2 * Dice(activation="softmax", include_background=False)(logits, line)
