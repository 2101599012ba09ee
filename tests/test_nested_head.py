"""Nested classes: one number per pixel, whose steps are the borders of the sets."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from unetzoo import create_model
from unetzoo.heads import NestedHead
from unetzoo.inference.contract import IGNORE
from unetzoo.inference.tiling import predict_tiled
from unetzoo.levels import Level
from unetzoo.losses import CrossEntropy, Dice, NestedMSE
from unetzoo.predictor import TorchNetwork

ROWS = [Level(4, (1, 1)), Level(6, (2, 2)), Level(8, (4, 4))]


def head(sets: int = 3, **options: float) -> NestedHead:
    torch.manual_seed(0)
    return NestedHead(ROWS, sets, **options)  # type: ignore[arg-type]


def level(x: Tensor, sets: int = 3, **options: float) -> Tensor:
    """The multi-level activation a(x) of numbers (n,)."""
    return head(sets, **options).steps(x.view(1, 1, 1, -1)).double().sigmoid().sum(1).flatten()


@pytest.mark.parametrize("sets", [1, 2, 3, 5])
def test_the_activation_rises_from_0_to_n_and_is_symmetric(sets: int) -> None:
    x = torch.linspace(-3, 3, 601)
    a = level(x, sets)
    assert torch.all(a.diff() >= 0)
    assert abs(float(a[300]) - sets / 2) < 1e-6
    # float32 logits of up to 40
    torch.testing.assert_close(a.flip(0), sets - a, rtol=0, atol=1e-5)


def test_the_plateaus_are_where_the_paper_has_them() -> None:
    a = level(torch.tensor([-0.25, 0.25]))
    torch.testing.assert_close(a, torch.tensor([1.00055, 1.99945], dtype=torch.float64), rtol=0, atol=1e-5)


def test_steep_it_is_a_staircase_with_steps_h_apart() -> None:
    x = torch.tensor([-0.71, -0.69, -0.01, 0.01, 0.69, 0.71])
    expected = torch.tensor([0, 1, 1, 2, 2, 3], dtype=torch.float64)
    torch.testing.assert_close(level(x, k=1e5, h=0.7), expected)


def test_one_set_is_a_sigmoid() -> None:
    x = torch.linspace(-1, 1, 9)
    torch.testing.assert_close(level(x, 1), (10 * x.double()).sigmoid(), rtol=0, atol=1e-6)


def test_an_inner_set_lies_in_every_outer_one_after_blending_too() -> None:
    model = create_model(
        "glioma_nested_unet_3d", in_channels=1, num_classes=3, overrides={"encoder.channels": [4, 8]}
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    x = torch.randn(1, 14, 10, 13, generator=torch.Generator().manual_seed(0)).numpy()
    logits = predict_tiled(TorchNetwork(model), x, tile=(8, 8, 8), overlap=0.5, flips=True)
    whole, core, enhancing = logits > 0
    assert (enhancing <= core).all()
    assert (core <= whole).all()
    assert 0 < enhancing.mean() <= core.mean() < whole.mean() < 1


def test_rows_are_added_up_on_the_finest_grid() -> None:
    both = head(rows=2).double()
    fine, coarse = torch.randn(1, 4, 4, 6).double(), torch.randn(1, 6, 2, 3).double()
    middle: Tensor = both([torch.zeros(1, 8, 1, 2).double(), coarse, fine])[:, 1:2]
    a, b = (conv(row) for conv, row in zip(both.convs, (fine, coarse), strict=True))
    expected = 10 * (a + b.repeat_interleave(2, 2).repeat_interleave(2, 3))
    torch.testing.assert_close(middle.double(), expected, rtol=1e-5, atol=1e-5)
    assert len(head(rows=9).convs) == 3


@pytest.mark.parametrize("kind", [CrossEntropy, Dice, NestedMSE])
def test_every_loss_is_least_on_the_right_plateau_and_pulls_from_the_wrong_ones(
    kind: type[CrossEntropy | Dice | NestedMSE],
) -> None:
    plateaus = torch.tensor([-1.0, -0.25, 0.25, 1.0])
    for wanted in range(4):
        # a second pixel in all sets, found: Dice compares regions
        target = torch.stack([torch.arange(3) < wanted, torch.arange(3) < 3], 1).long().view(1, 3, 1, 2)
        values, pulls = [], []
        for place in plateaus:
            x = torch.tensor([place, 2.0]).view(1, 1, 1, 2).requires_grad_()
            value = kind(activation="sigmoid")(head().steps(x), target)
            value.backward()
            assert x.grad is not None
            values.append(value.item())
            pulls.append(float(x.grad[..., 0]))
        assert values.index(min(values)) == wanted
        # downhill leads towards the right plateau
        assert all(pull < 0 for pull in pulls[:wanted])
        assert all(pull > 0 for pull in pulls[wanted + 1 :])


def test_the_quadratic_loss_is_the_formula_and_ignores() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 4, 5, requires_grad=True)
    target = torch.randint(0, 2, (2, 3, 4, 5))
    target[0, 1, :2] = IGNORE
    loss = NestedMSE(activation="sigmoid")
    value = loss(logits, target)
    valid = (target != IGNORE).all(1)
    difference = logits.sigmoid().sum(1) - (target == 1).sum(1)
    torch.testing.assert_close(value, difference[valid].square().mean())
    value.backward()
    assert logits.grad is not None
    assert torch.all(logits.grad[(~valid).unsqueeze(1).expand_as(logits)] == 0)
    assert loss(logits, torch.full_like(target, IGNORE)).item() == 0
    half = loss(logits.bfloat16(), target)
    assert half.dtype == torch.float32
    binary = torch.randint(0, 2, (2, 4, 5))
    expected = F.mse_loss(logits[:, 0].sigmoid(), binary.float())
    torch.testing.assert_close(loss(logits[:, :1], binary), expected)


def test_under_softmax_the_quadratic_loss_is_that_of_the_expected_class() -> None:
    torch.manual_seed(0)
    logits, target = torch.randn(2, 4, 4, 5), torch.randint(0, 4, (2, 4, 5))
    target[0, :2] = IGNORE
    expected = (logits.softmax(1) * torch.arange(4.0).view(4, 1, 1)).sum(1) - target
    torch.testing.assert_close(
        NestedMSE(activation="softmax")(logits, target), expected[target != IGNORE].square().mean()
    )


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match=r"k=0 and h=0\.5"):
        head(k=0)
