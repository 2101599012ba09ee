"""Losses against direct formulas, and what an ignored pixel may not do."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo.losses import (
    Compound,
    CrossEntropy,
    Dice,
    Focal,
    IoU,
    MultiScaleDissimilarity,
    Tversky,
    deep_supervision_loss,
    deep_supervision_weights,
)
from unetzoo.losses.base import Activation

IGNORE = 255
LOSSES: list[Callable[..., nn.Module]] = [CrossEntropy, Dice, Focal, IoU, MultiScaleDissimilarity, Tversky]


def case(head: str, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Logits (2, K, 6, 5) and a target with a block of ignored pixels."""
    torch.manual_seed(seed)
    if head == "softmax":
        logits, target = torch.randn(2, 4, 6, 5), torch.randint(0, 4, (2, 6, 5))
    elif head == "binary":
        logits, target = torch.randn(2, 1, 6, 5), torch.randint(0, 2, (2, 6, 5))
    else:
        logits, target = torch.randn(2, 3, 6, 5), torch.randint(0, 2, (2, 3, 6, 5))
    target[..., :2, 1:4] = IGNORE
    return logits, target


def activation(head: str) -> Activation:
    return "softmax" if head == "softmax" else "sigmoid"


@pytest.mark.parametrize("head", ["softmax", "binary", "multilabel"])
@pytest.mark.parametrize("loss", LOSSES)
def test_ignored_pixels_have_no_gradient_and_no_say(loss: Callable[..., nn.Module], head: str) -> None:
    logits, target = case(head)
    logits.requires_grad_()
    value = loss(activation=activation(head))(logits, target)
    value.backward()
    assert logits.grad is not None
    ignored = (target == IGNORE).unsqueeze(1).expand_as(logits) if head != "multilabel" else target == IGNORE
    assert torch.all(logits.grad[ignored] == 0)
    assert torch.all(logits.grad[~ignored] != 0)
    other = torch.where(ignored, torch.full_like(logits, 7.0), logits)
    torch.testing.assert_close(loss(activation=activation(head))(other, target), value, rtol=0, atol=0)


@pytest.mark.parametrize("head", ["softmax", "binary", "multilabel"])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_batch_without_labels_gives_zero(loss: Callable[..., nn.Module], head: str) -> None:
    logits, target = case(head)
    logits.requires_grad_()
    value = loss(activation=activation(head), class_weights=None)(logits, torch.full_like(target, IGNORE))
    value.backward()
    assert value.item() == 0
    assert logits.grad is not None
    assert torch.all(logits.grad == 0)


def test_cross_entropy_is_torch_on_the_labelled_pixels() -> None:
    weights = [1.0, 2.0, 0.5, 3.0]
    logits, target = case("softmax")
    expected = F.cross_entropy(logits, target, weight=torch.tensor(weights), ignore_index=IGNORE)
    torch.testing.assert_close(
        CrossEntropy(activation="softmax", class_weights=weights)(logits, target), expected
    )
    logits, target = case("binary")
    valid = target != IGNORE
    expected = F.binary_cross_entropy_with_logits(logits[:, 0][valid], target[valid].float())
    torch.testing.assert_close(CrossEntropy(activation="sigmoid")(logits, target), expected)


def test_binary_class_weights_equal_those_of_two_softmax_classes() -> None:
    logits, target = case("binary")
    two = torch.cat([torch.zeros_like(logits), logits], 1)
    for loss in (CrossEntropy, Focal):
        one = loss(activation="sigmoid", class_weights=[1, 5])(logits, target)
        torch.testing.assert_close(one, loss(activation="softmax", class_weights=[1, 5])(two, target))


def test_focal_without_focus_is_cross_entropy() -> None:
    for head in ("softmax", "binary", "multilabel"):
        logits, target = case(head)
        kind = activation(head)
        expected = CrossEntropy(activation=kind)(logits, target)
        torch.testing.assert_close(Focal(activation=kind, gamma=0.0)(logits, target), expected)


def test_focal_is_the_paper() -> None:
    logits, target = case("softmax")
    valid = target != IGNORE
    p = logits.softmax(1).gather(1, target.masked_fill(~valid, 0).unsqueeze(1))[:, 0][valid]
    torch.testing.assert_close(
        Focal(activation="softmax")(logits, target), (-((1 - p) ** 2) * p.log()).mean()
    )


@pytest.mark.parametrize("batch", [True, False])
def test_dice_is_the_formula(batch: bool) -> None:
    logits, target = case("softmax")
    valid = (target != IGNORE).unsqueeze(1)
    p = logits.softmax(1) * valid
    t = F.one_hot(target.masked_fill(target == IGNORE, 0), 4).movedim(-1, 1) * valid
    over = (0, 2, 3) if batch else (2, 3)
    dice = (2 * (p * t).sum(over) + 1e-5) / (p.sum(over) + t.sum(over) + 1e-5)
    torch.testing.assert_close(Dice(activation="softmax", batch=batch)(logits, target), (1 - dice).mean())
    foreground = (1 - dice)[..., 1:].mean()
    found = Dice(activation="softmax", batch=batch, include_background=False)(logits, target)
    torch.testing.assert_close(found, foreground)
    weights = torch.tensor([1.0, 2.0, 3.0, 4.0])
    found = Dice(activation="softmax", batch=batch, class_weights=weights.tolist())(logits, target)
    torch.testing.assert_close(found, ((1 - dice) * weights / 10).sum(-1).mean())


def test_tversky_is_the_formula_and_at_one_half_dice() -> None:
    logits, target = case("multilabel")
    valid = target != IGNORE
    p, t = logits.sigmoid() * valid, (target == 1) * valid
    over = (0, 2, 3)
    tp, fp, fn = (p * t).sum(over), (p * ~t).sum(over), ((1 - p) * t).sum(over)
    expected = (1 - (tp + 1e-5) / (tp + 0.3 * fp + 0.7 * fn + 1e-5)).mean()
    torch.testing.assert_close(Tversky(activation="sigmoid")(logits, target), expected)
    half = Tversky(activation="sigmoid", alpha=0.5, beta=0.5)(logits, target)
    torch.testing.assert_close(
        half, Dice(activation="sigmoid")(logits, target), rtol=1e-5, atol=1e-5
    )  # smoothing


def test_losses_work_in_three_dimensions_and_in_half_precision() -> None:
    logits = torch.randn(1, 3, 4, 4, 4, dtype=torch.bfloat16)
    target = torch.randint(0, 3, (1, 4, 4, 4))
    for loss in LOSSES:
        value = loss(activation="softmax")(logits, target)
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, loss(activation="softmax")(logits.float(), target))


def test_class_weights_matter_only_in_ratio() -> None:
    logits, target = case("softmax")
    for loss in LOSSES:
        a = loss(activation="softmax", class_weights=[1, 2, 3, 4])(logits, target)
        b = loss(activation="softmax", class_weights=[10, 20, 30, 40])(logits, target)
        torch.testing.assert_close(a, b)


def test_compound_is_the_weighted_sum() -> None:
    logits, target = case("softmax")
    dice, ce = Dice(activation="softmax"), CrossEntropy(activation="softmax")
    both = Compound({"dice": dice, "ce": ce}, {"ce": 0.25})
    torch.testing.assert_close(both(logits, target), dice(logits, target) + 0.25 * ce(logits, target))
    assert not both.state_dict()
    with pytest.raises(ValueError, match="focal"):
        Compound({"dice": dice}, {"focal": 1.0})


def test_wrong_head_for_the_target_is_named() -> None:
    logits, _ = case("softmax")
    with pytest.raises(ValueError, match="head multiclass or binary"):
        CrossEntropy(activation="sigmoid")(logits, torch.zeros(2, 6, 5, dtype=torch.int64))
    with pytest.raises(ValueError, match="3 numbers for 4 classes"):
        Dice(activation="softmax", class_weights=[1, 1, 1])(logits, torch.zeros(2, 6, 5, dtype=torch.int64))
    with pytest.raises(ValueError, match="softmax or sigmoid"):
        Focal(activation="tanh")  # type: ignore[arg-type]


def test_deep_supervision_weights_halve_and_sum_to_one() -> None:
    assert deep_supervision_weights(3) == [4 / 7, 2 / 7, 1 / 7]
    assert deep_supervision_weights(2, [3, 1]) == [0.75, 0.25]
    for wrong in ([1.0], [0.0, 0.0], [1.0, -1.0]):
        with pytest.raises(ValueError, match="2 heads"):
            deep_supervision_weights(2, wrong)


def test_deep_supervision_is_the_weighted_sum_over_heads() -> None:
    loss = CrossEntropy(activation="softmax")
    a, target = case("softmax", 0)
    b, _ = case("softmax", 1)
    expected = 0.75 * loss(a, target) + 0.25 * loss(b, target)
    torch.testing.assert_close(deep_supervision_loss(loss, [a, b], target, [0.75, 0.25]), expected)
