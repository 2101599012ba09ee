from typing import Any

import pytest
import torch
from monai.metrics.regression import compute_ssim_and_cs
from torch import Tensor
from torch.nn import functional as F

from unetzoo.inference.contract import IGNORE
from unetzoo.losses import MultiScaleDissimilarity

WEIGHTS = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]


def blob(*shape: int) -> Tensor:
    """Smooth random masks, as masks are."""
    pool = {2: F.avg_pool2d, 3: F.avg_pool3d}[len(shape) - 1]
    noise: Tensor = pool(torch.randn(shape[0], 1, *shape[1:]), 5, 1, 2)
    return (noise[:, 0] > 0).long()


def naive(p: Tensor, t: Tensor, scales: int, window: int = 11) -> Tensor:
    """MS-SSIM of (B, 1, *size) by MONAI's maps, full windows, scale by scale."""
    weights = torch.tensor(WEIGHTS[:scales]) * (sum(WEIGHTS) / sum(WEIGHTS[:scales]))
    value, ndim = torch.ones(len(p)), p.dim() - 2
    for m, weight in enumerate(weights):
        full, structure = compute_ssim_and_cs(
            p, t, ndim, kernel_size=(window,) * ndim, kernel_sigma=(1.5,) * ndim, data_range=1.0,
        )  # fmt: skip
        similarity = (full if m == scales - 1 else structure).flatten(1).mean(1)
        value = value * ((similarity + 1) / 2) ** weight
        pool: Any = {2: F.avg_pool2d, 3: F.avg_pool3d}[ndim]
        if m < scales - 1:
            p, t = pool(p, 2), pool(t, 2)
    return value


@pytest.mark.parametrize(
    ("size", "scales"),
    [((176, 190), 5), ((175, 190), 4), ((44, 60), 3), ((21, 30), 1), ((22, 23, 24), 2), ((12, 13, 11), 1)],
)
def test_equals_monais_maps_multiplied_over_the_scales_that_fit(size: tuple[int, ...], scales: int) -> None:
    torch.manual_seed(0)
    target, logits = blob(2, *size), torch.randn(2, 1, *size)
    expected = naive(logits.sigmoid(), target[:, None].float(), scales)
    found = MultiScaleDissimilarity(activation="sigmoid")(logits, target)
    torch.testing.assert_close(found, 1 - expected.mean(), rtol=1e-4, atol=1e-5)


def test_classes_are_compared_one_by_one_and_weighted() -> None:
    torch.manual_seed(0)
    target = blob(2, 30, 25) + blob(2, 30, 25)
    logits = torch.randn(2, 3, 30, 25)
    p, t = logits.softmax(1), F.one_hot(target, 3).movedim(-1, 1).float()
    each = torch.stack([1 - naive(p[:, k : k + 1], t[:, k : k + 1], 2) for k in range(3)], 1)
    loss = MultiScaleDissimilarity(activation="softmax")
    torch.testing.assert_close(loss(logits, target), each.mean(), rtol=1e-4, atol=1e-5)
    weighted = MultiScaleDissimilarity(activation="softmax", class_weights=[1, 2, 5])(logits, target)
    expected = (each * torch.tensor([1, 2, 5]) / 8).sum(1).mean()
    torch.testing.assert_close(weighted, expected, rtol=1e-4, atol=1e-5)


def test_a_right_answer_costs_nothing_and_a_blurred_one_more_than_a_sharp_one() -> None:
    torch.manual_seed(0)
    target = blob(1, 64, 64)
    loss = MultiScaleDissimilarity(activation="sigmoid")
    truth = target[:, None].float()
    assert loss(80 * (truth - 0.5), target).item() == pytest.approx(0, abs=1e-6)
    blurred = F.avg_pool2d(truth, 9, 1, 4).clamp(0.01, 0.99).logit()
    assert loss(blurred, target).item() > 0.01


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (4, 4, 4), (2, 30, 30)])
def test_images_smaller_than_the_window_are_compared(size: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 1, *size, requires_grad=True)
    value = MultiScaleDissimilarity(activation="sigmoid")(logits, torch.randint(0, 2, (2, *size)))
    value.backward()
    assert 0 < value.item() < 1
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_an_image_and_its_negative_have_a_finite_gradient() -> None:
    target = blob(1, 200, 180)
    logits = (40 * (0.5 - target[:, None].float())).requires_grad_()
    value = MultiScaleDissimilarity(activation="sigmoid")(logits, target)
    value.backward()
    assert value.item() > 0.9
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_ignored_pixels_have_no_say() -> None:
    torch.manual_seed(0)
    target, logits = blob(2, 30, 25), torch.randn(2, 1, 30, 25)
    target[:, :12, 3:9] = IGNORE
    loss = MultiScaleDissimilarity(activation="sigmoid")
    other = torch.where(target[:, None] == IGNORE, 7.0, logits)
    assert torch.equal(loss(other, target), loss(logits, target))
    assert loss(logits, torch.full_like(target, IGNORE)).item() == 0
