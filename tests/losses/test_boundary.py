from typing import Any

import monai.losses
import pytest
import torch
from torch.nn import functional as F

from unetzoo.inference.contract import IGNORE
from unetzoo.losses import Boundary


@pytest.mark.skipif(not hasattr(monai.losses, "BoundaryLoss"), reason="of MONAI 1.6 and newer")
@pytest.mark.parametrize("size", [(9, 8), (5, 6, 7)])
def test_it_is_that_of_monai(size: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    logits, target = torch.randn(2, 3, *size), torch.randint(0, 2, (2, *size))  # class 2 does not occur
    theirs: Any = getattr(monai.losses, "BoundaryLoss")  # noqa: B009  older versions lack it
    expected = theirs(softmax=True, include_background=False)(logits, F.one_hot(target, 3).movedim(-1, 1))
    torch.testing.assert_close(Boundary(activation="softmax")(logits, target), expected)


def test_the_edge_of_the_labelled_part_is_no_border() -> None:
    target = torch.full((1, 6, 8), IGNORE)
    target[:, :, :2], target[:, :, 2:4] = 0, 1
    logits = torch.zeros(1, 1, 6, 8, requires_grad=True)
    Boundary(activation="sigmoid")(logits, target).backward()
    assert logits.grad is not None
    # outside by 2 and 1 pixels, then on the outermost pixel, one further in, and not labelled
    signs = logits.grad[0, 0, 0].sign().tolist()
    assert signs == [1, 1, 0, -1, 0, 0, 0, 0]
