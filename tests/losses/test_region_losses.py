"""Losses on regions, borders and skeletons: what a missing label may not do, whatever the head."""

from collections.abc import Callable

import pytest
import torch
import yaml
from torch import Tensor, nn

from unetzoo.configs import ROOT
from unetzoo.inference.contract import IGNORE
from unetzoo.losses import Boundary, ClDice, Hausdorff, Lovasz, UnifiedFocal
from unetzoo.losses.base import Activation

LOSSES: list[Callable[..., nn.Module]] = [Boundary, ClDice, Hausdorff, Lovasz, UnifiedFocal]
HEADS: dict[str, Activation] = {"softmax": "softmax", "binary": "sigmoid", "multilabel": "sigmoid"}

every_loss = pytest.mark.parametrize("loss", LOSSES)
every_head = pytest.mark.parametrize("head", HEADS)


def case(head: str, *size: int) -> tuple[Tensor, Tensor]:
    """Logits (2, K, *size) and a target with a block of ignored pixels."""
    torch.manual_seed(0)
    channels, classes = {"softmax": (4, 4), "binary": (1, 2), "multilabel": (3, 2)}[head]
    shape = (2, channels, *size) if head == "multilabel" else (2, *size)
    logits, target = torch.randn(2, channels, *size), torch.randint(0, classes, shape)
    target[..., :2, 1:4] = IGNORE
    return logits, target


@every_head
@every_loss
def test_a_pixel_without_a_label_has_no_gradient_and_no_say(
    loss: Callable[..., nn.Module], head: str
) -> None:
    logits, target = case(head, 7, 6)
    logits.requires_grad_()
    one = loss(activation=HEADS[head])
    value = one(logits, target)
    value.backward()
    assert logits.grad is not None
    ignored = target == IGNORE if head == "multilabel" else (target == IGNORE).unsqueeze(1).expand_as(logits)
    assert torch.all(logits.grad[ignored] == 0)
    assert logits.grad[~ignored].any()
    assert logits.grad.isfinite().all()
    other = torch.where(ignored, torch.full_like(logits, 7.0), logits)
    torch.testing.assert_close(one(other, target), value, rtol=0, atol=1e-7)


@every_head
@every_loss
def test_a_batch_without_labels_gives_zero(loss: Callable[..., nn.Module], head: str) -> None:
    logits, target = case(head, 7, 6)
    logits.requires_grad_()
    value = loss(activation=HEADS[head])(logits, torch.full_like(target, IGNORE))
    value.backward()
    assert value.item() == 0
    assert logits.grad is not None
    assert torch.all(logits.grad == 0)


@every_loss
def test_volumes_and_half_precision(loss: Callable[..., nn.Module]) -> None:
    logits, target = case("softmax", 5, 6, 7)
    one = loss(activation="softmax")
    value = one(logits.bfloat16(), target)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, one(logits.bfloat16().float(), target))


@every_loss
def test_class_weights_matter_only_in_ratio(loss: Callable[..., nn.Module]) -> None:
    logits, target = case("softmax", 7, 6)
    a, b, c = (
        loss(activation="softmax", class_weights=weights)(logits, target)
        for weights in ([1, 2, 3, 4], [10, 20, 30, 40], [4, 3, 2, 1])
    )
    torch.testing.assert_close(a, b)
    assert not torch.isclose(a, c)


@every_head
@every_loss
def test_descent_finds_the_labels(loss: Callable[..., nn.Module], head: str) -> None:
    _, target = case(head, 8, 8)
    # two discs that touch neither each other nor the edge; random labels have no skeleton
    target = torch.where(target == IGNORE, IGNORE, 0)
    target[..., 3:6, 2:6] = 1
    channels = {"softmax": 3, "binary": 1, "multilabel": 3}[head]
    logits = torch.zeros(2, channels, 8, 8, requires_grad=True)
    one = loss(activation=HEADS[head])
    before = one(logits, target)
    optimizer = torch.optim.Adam([logits], 0.3)
    for _ in range(40):
        optimizer.zero_grad()
        one(logits, target).backward()
        optimizer.step()
    assert one(logits, target) < before
    inside = logits[:, 1] > logits[:, 0] if head == "softmax" else logits[:, 0] > 0
    truth = target[:, 0] if head == "multilabel" else target
    hit = inside[truth == 1].float().mean()
    assert hit > inside[truth == 0].float().mean()


@pytest.mark.parametrize(
    "name", ["unified_focal", "lovasz", "dice_boundary", "dice_cldice", "dice_hausdorff"]
)
@every_head
def test_every_config_builds_what_it_says(name: str, head: str) -> None:
    from hydra.utils import instantiate

    text = (ROOT / "loss" / f"{name}.yaml").read_text()
    built = instantiate(yaml.safe_load(text.replace("${model.head.activation}", HEADS[head])))
    logits, target = case(head, 7, 6)
    assert built(logits, target).isfinite()
