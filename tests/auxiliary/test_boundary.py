"""Borders between classes, found as a further objective."""

import pytest
import torch
from torch import Tensor

from unetzoo.auxiliary import Boundary
from unetzoo.auxiliary.boundary import boundaries
from unetzoo.inference.contract import IGNORE
from unetzoo.levels import Level

LEVELS = [Level(4, (2, 2)), Level(6, (4, 4))]


def naive(labels: Tensor, width: int) -> Tensor:
    """Pixel by pixel, (H, W)."""
    result = torch.zeros_like(labels)
    for i in range(labels.shape[0]):
        for j in range(labels.shape[1]):
            window = labels[max(0, i - width) : i + width + 1, max(0, j - width) : j + width + 1]
            near = set(window.flatten().tolist())
            known = near - {IGNORE}
            result[i, j] = 1 if len(known) > 1 else IGNORE if len(known) < len(near) else 0
            if labels[i, j] == IGNORE:
                result[i, j] = IGNORE
    return result


@pytest.mark.parametrize("width", [1, 2])
def test_borders_are_where_two_classes_are_near(width: int) -> None:
    torch.manual_seed(0)
    labels = torch.randint(0, 3, (2, 4, 5)).repeat_interleave(4, 1).repeat_interleave(4, 2)
    labels[0, 3:7, 2:8] = IGNORE
    found = boundaries(labels, ndim=2, width=width)
    assert torch.equal(found, torch.stack([naive(one, width) for one in labels]))
    assert set(found.flatten().tolist()) == {0, 1, IGNORE}


def test_of_overlapping_classes_any_has_a_border() -> None:
    labels = torch.zeros(1, 2, 6, 6, 6, dtype=torch.int64)
    labels[:, 0, :, :, 3:] = 1
    labels[:, 1, 2:] = 1
    borders = boundaries(labels, ndim=3)
    assert torch.equal(borders, (boundaries(labels[:, 0], ndim=3) | boundaries(labels[:, 1], ndim=3)))
    assert borders.sum() == 2 * 36 + 2 * 36 - 2 * 2 * 6


def test_only_what_is_known_teaches() -> None:
    torch.manual_seed(0)
    part = Boundary(LEVELS, 3)
    fine = torch.randn(2, 4, 6, 8, requires_grad=True)
    target = torch.zeros(2, 11, 16, dtype=torch.int64)  # of an image that was padded to 12 x 16
    target[:, 2:5, 3:9] = 2
    target[1] = IGNORE
    part([torch.zeros(2, 6, 3, 4), fine], target).backward()
    assert fine.grad is not None
    assert fine.grad[0].any()
    assert not fine.grad[1].any()
    nothing = part([torch.zeros(2, 6, 3, 4), fine], torch.full_like(target, IGNORE))
    assert nothing.item() == 0


def test_a_border_has_a_width() -> None:
    with pytest.raises(ValueError, match="at least 1 pixel wide to either side, got 0"):
        Boundary(LEVELS, 2, width=0)
