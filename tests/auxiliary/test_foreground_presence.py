from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from unetzoo import create_model
from unetzoo.auxiliary import ForegroundPresence
from unetzoo.levels import Level

LEVELS = [Level(2, (1, 1)), Level(3, (4, 4))]


def presence() -> tuple[Any, list[Tensor]]:
    torch.manual_seed(0)
    return ForegroundPresence(LEVELS, 3).eval(), [torch.randn(4, 3, 2, 2), torch.randn(4, 2, 8, 8)]


def target() -> Tensor:
    """Foreground, none, none among the labelled pixels, no label."""
    labels = torch.zeros(4, 7, 8, dtype=torch.int64)
    labels[0, 3, 4] = 2
    labels[2, :5] = 255
    labels[3] = 255
    return labels


def test_loss_is_the_cross_entropy_of_absent_and_present_over_the_labelled_images() -> None:
    part, decoded = presence()
    logits = F.conv2d(decoded[0], part.conv.weight, part.conv.bias).flatten(2).max(2).values[:3]
    truth = torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    p = logits.sigmoid()
    expected = -(truth * p.log() + (1 - truth) * (1 - p).log()).mean()
    torch.testing.assert_close(part(decoded, target()), expected)


def test_a_batch_without_labels_gives_zero() -> None:
    part, decoded = presence()
    value = part(decoded, torch.full((4, 7, 8), 255))
    value.backward()
    assert value.item() == 0
    assert not part.conv.weight.grad.any()


def test_of_overlapping_classes_any_is_foreground() -> None:
    part, decoded = presence()
    both = torch.stack([torch.zeros_like(target()), target().clamp(max=1)], 1)
    both[target().unsqueeze(1).expand_as(both) == 255] = 255
    torch.testing.assert_close(part(decoded, both), part(decoded, target()))


@pytest.mark.parametrize("ndim", [2, 3])
def test_any_network_can_learn_it(ndim: int) -> None:
    part = {"_target_": "unetzoo.auxiliary.ForegroundPresence", "_partial_": True}
    small = {"encoder.channels": [4, 8], "decoder.channels": [4], "auxiliary": {"presence": part}}
    model = create_model(encoder=f"conv{ndim}d", overrides=small)
    x = torch.randn(2, 3, *[9] * ndim)
    logits, losses = model.forward_train(x, torch.ones(2, *[9] * ndim, dtype=torch.int64))
    assert losses["presence"].item() > 0
    (logits[0].sum() + losses["presence"]).backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None for p in model.parameters())
