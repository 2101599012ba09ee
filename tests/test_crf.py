from itertools import product

import pytest
import torch
from torch import Tensor

from unetzoo.crf import mean_field


def noisy(size: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """Two halves of the image, a third of the labels wrong, and what they should be."""
    generator = torch.Generator().manual_seed(0)
    truth = torch.zeros(1, *size, dtype=torch.long)
    truth[..., size[-1] // 2 :] = 1
    wrong = torch.rand(truth.shape, generator=generator) < 0.3
    labels = torch.where(wrong, 1 - truth, truth)
    p = torch.nn.functional.one_hot(labels, 2).movedim(-1, 1) * 0.4 + 0.3
    image = truth[:, None] * 0.5 + 0.05 * torch.randn(1, 1, *size, generator=generator)
    return p, image, truth


@pytest.mark.parametrize("size", [(16, 16), (6, 8, 10)])
def test_labels_become_those_of_like_pixels_nearby(size: tuple[int, ...]) -> None:
    p, image, truth = noisy(size)
    before = (p.argmax(1) == truth).float().mean()
    after = (mean_field(p, image, sigma_intensity=0.2).argmax(1) == truth).float().mean()
    assert before < 0.75
    assert after > 0.97


def test_one_step_equals_the_sums_written_out() -> None:
    torch.manual_seed(0)
    p, image = torch.randn(1, 3, 4, 5).softmax(1).double(), torch.rand(1, 2, 4, 5).double()
    given = {"radius": 2.5, "sigma_intensity": 0.4, "sigma_space": 2.0, "appearance": 2.0, "smoothness": 0.5}
    found = mean_field(p, image, iterations=1, **given)
    for y, x in product(range(4), range(5)):
        energy = p[0, :, y, x].log()
        for weight, sigma in ((2.0, 0.4), (0.5, float("inf"))):
            total, norm = torch.zeros(3).double(), torch.zeros(()).double()
            for v, u in product(range(4), range(5)):
                apart = (y - v) ** 2 + (x - u) ** 2
                if 0 < apart < 2.5**2:
                    contrast = (image[0, :, y, x] - image[0, :, v, u]).square().sum()
                    k = torch.exp(-contrast / sigma**2 - torch.tensor(apart / 4.0).double())
                    total, norm = total + k * p[0, :, v, u], norm + k
            energy = energy + weight * total / norm
        torch.testing.assert_close(found[0, :, y, x], energy.softmax(0), rtol=1e-10, atol=1e-12)


def test_without_weights_or_neighbours_nothing_changes() -> None:
    p, image, _ = noisy((6, 6))
    torch.testing.assert_close(mean_field(p, image, appearance=0), p)
    torch.testing.assert_close(mean_field(p, image, radius=1), p)
