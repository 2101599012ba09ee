import pytest
import torch
from monai.losses.unified_focal_loss import AsymmetricFocalLoss, AsymmetricFocalTverskyLoss
from torch.nn import functional as F

from unetzoo.losses import CrossEntropy, Tversky, UnifiedFocal


def test_two_classes_are_those_of_monai() -> None:
    torch.manual_seed(0)
    logits, target = torch.randn(3, 2, 6, 5), torch.randint(0, 2, (3, 6, 5))
    p, t = logits.softmax(1), F.one_hot(target, 2).movedim(-1, 1)
    # MONAI halves the cross-entropy, as a mean over the two classes
    focal = 2 * AsymmetricFocalLoss(delta=0.6, gamma=0.4)(p, t)
    tversky = AsymmetricFocalTverskyLoss(delta=0.6, gamma=0.4)(p, t)
    for weight, expected in ((1.0, focal), (0.0, tversky), (0.3, 0.3 * focal + 0.7 * tversky)):
        loss = UnifiedFocal(activation="softmax", weight=weight, delta=0.6, gamma=0.4, batch=False)
        torch.testing.assert_close(loss(logits, target), expected, rtol=1e-4, atol=1e-5)  # smoothing


def test_one_logit_is_two_classes() -> None:
    torch.manual_seed(0)
    logits, target = torch.randn(3, 1, 6, 5), torch.randint(0, 2, (3, 6, 5))
    two = torch.cat([torch.zeros_like(logits), logits], 1)
    for weights in (None, [1, 5]):
        one = UnifiedFocal(activation="sigmoid", class_weights=weights)(logits, target)
        other = UnifiedFocal(activation="softmax", class_weights=weights)(two, target)
        torch.testing.assert_close(one, other)


def test_without_focus_it_is_half_cross_entropy_and_tversky() -> None:
    torch.manual_seed(0)
    logits, target = torch.randn(2, 4, 6, 5), torch.randint(0, 4, (2, 6, 5))
    plain = UnifiedFocal(activation="softmax", weight=1.0, delta=0.5, gamma=0.0)(logits, target)
    torch.testing.assert_close(plain, 0.5 * CrossEntropy(activation="softmax")(logits, target))
    region = UnifiedFocal(activation="softmax", weight=0.0, delta=0.7, gamma=0.0)(logits, target)
    torch.testing.assert_close(region, Tversky(activation="softmax", alpha=0.3, beta=0.7)(logits, target))


def test_numbers_out_of_range_are_named() -> None:
    with pytest.raises(ValueError, match="gamma=1"):
        UnifiedFocal(activation="softmax", gamma=1.0)
