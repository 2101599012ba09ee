"""The streamed value is the N x N one, and what the number means."""

from itertools import product

import pytest
import torch
from torch import Tensor

from unetzoo.losses import SoftNCut


def naive(p: Tensor, image: Tensor, radius: float, sigma_i: float, sigma_x: float) -> Tensor:
    """The formula with the whole N x N matrix."""
    places = torch.tensor([*product(*(range(s) for s in p.shape[2:]))], dtype=p.dtype)
    apart = torch.cdist(places, places)
    values = []
    for q, bands in zip(p.flatten(2), image.flatten(2), strict=True):
        contrast = (bands[:, :, None] - bands[:, None, :]).square().sum(0)
        w = (-contrast / sigma_i**2 - apart.square() / sigma_x**2).exp() * (apart < radius)
        values.append(len(q) - (torch.einsum("ku,uv,kv->k", q, w, q) / (q @ w.sum(1))).sum())
    return torch.stack(values).mean()


def scene(size: tuple[int, ...], classes: int = 3, bands: int = 2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    p = torch.randn(2, classes, *size, generator=generator, dtype=torch.float64).softmax(1)
    return p.requires_grad_(), torch.rand(2, bands, *size, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("size", [(7, 9), (3, 4), (1, 8), (4, 5, 6), (2, 1, 5)])
@pytest.mark.parametrize("radius", [1.0, 2.0, 2.3, 5.0])
def test_streamed_equals_the_full_matrix_in_value_and_gradient(size: tuple[int, ...], radius: float) -> None:
    p, image = scene(size)
    found = SoftNCut(radius=radius, sigma_intensity=0.3, sigma_space=2.0)(p, image)
    expected = naive(p, image, radius, 0.3, 2.0)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    (ours,) = torch.autograd.grad(found, p)
    (theirs,) = torch.autograd.grad(expected, p)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


def test_uniform_probabilities_give_classes_minus_one() -> None:
    _, image = scene((6, 6))
    p = torch.full((2, 4, 6, 6), 0.25, dtype=torch.float64)
    assert SoftNCut()(p, image).item() == pytest.approx(3, abs=1e-12)


def test_a_partition_along_strong_edges_costs_nothing_and_one_across_them_does() -> None:
    image = torch.zeros(1, 1, 8, 8)
    image[..., 4:] = 1
    halves = torch.cat([image, 1 - image], 1)
    ncut = SoftNCut(sigma_intensity=0.1)
    assert ncut(halves, image).item() == pytest.approx(0, abs=1e-6)
    assert ncut(halves.transpose(2, 3), image).item() > 0.1


def test_value_lies_between_nothing_and_the_number_of_classes_whatever_their_order() -> None:
    p, image = scene((9, 9), classes=5)
    ncut = SoftNCut(sigma_intensity=0.2)
    value = ncut(p, image)
    assert 0 <= value < 5
    torch.testing.assert_close(ncut(p[:, torch.randperm(5)], image), value, rtol=1e-12, atol=0)


def test_a_class_that_is_nowhere_leaves_the_number_finite() -> None:
    p = torch.zeros(1, 3, 5, 5)
    p[:, 0] = 1
    p.requires_grad_()
    value = SoftNCut()(p, torch.rand(1, 1, 5, 5))
    value.backward()
    assert value.item() == pytest.approx(2)
    assert p.grad is not None
    assert p.grad.isfinite().all()


def test_memory_does_not_grow_with_the_radius() -> None:
    p, image = scene((16, 16))
    kept: dict[float, int] = {}
    for radius in (2.0, 9.0):
        saved: list[Tensor] = []

        def keep(tensor: Tensor, saved: list[Tensor] = saved) -> Tensor:
            saved.append(tensor)
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            SoftNCut(radius=radius)(p, image)
        kept[radius] = sum(t.numel() for t in saved)
    assert kept[2.0] == kept[9.0]


def test_refuses_what_is_not_positive() -> None:
    with pytest.raises(ValueError, match="sigma_space=0 must all be positive"):
        SoftNCut(sigma_space=0)
