import pytest
import torch
from monai.losses.ssim_loss import SSIMLoss

from unetzoo.losses import StructuralDissimilarity


@pytest.mark.parametrize("size", [(17, 23), (12, 13, 11)])
def test_equals_monais(size: tuple[int, ...]) -> None:
    x, y = torch.rand(2, 2, 3, *size)
    theirs = SSIMLoss(spatial_dims=len(size), data_range=2.0)(x, y)
    torch.testing.assert_close(StructuralDissimilarity(value_range=2.0)(x, y), theirs, rtol=1e-5, atol=1e-6)


def test_an_image_is_not_dissimilar_to_itself_and_its_negative_is() -> None:
    x = torch.rand(1, 1, 16, 16, dtype=torch.float64)
    assert StructuralDissimilarity()(x, x).item() == pytest.approx(0, abs=1e-12)
    assert StructuralDissimilarity()(x, 1 - x).item() > 1


@pytest.mark.parametrize("size", [(1, 20), (2, 5), (4, 12, 12)])
def test_images_smaller_than_the_window_are_compared_in_the_largest_that_fits(size: tuple[int, ...]) -> None:
    x = torch.rand(1, 1, *size, requires_grad=True)
    value = StructuralDissimilarity()(x, torch.rand(1, 1, *size))
    value.backward()
    assert 0 < value.item() < 2
    assert x.grad is not None


def test_an_even_window_is_refused() -> None:
    with pytest.raises(ValueError, match="window=10 must be odd"):
        StructuralDissimilarity(window=10)
