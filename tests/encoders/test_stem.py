import pytest
import torch
from torch.nn import functional as F

from unetzoo.encoders import adapt_kernel

KERNEL = torch.randn(5, 3, 3, 3, generator=torch.Generator().manual_seed(0))


def test_keep_rgb_finds_its_bands_by_name_and_ignores_the_others() -> None:
    bands = ["nir", "Blue", "green", "swir", "red"]
    adapted = adapt_kernel(KERNEL, 5, "keep_rgb", bands)
    x = torch.randn(2, 5, 8, 8)
    torch.testing.assert_close(F.conv2d(x, adapted), F.conv2d(x[:, [4, 2, 1]], KERNEL))


@pytest.mark.parametrize("bands", [1, 2, 3, 4, 8])
def test_mean_answers_a_grey_image_as_before(bands: int) -> None:
    grey = torch.randn(2, 1, 8, 8)
    adapted = adapt_kernel(KERNEL, bands, "mean")
    expected = F.conv2d(grey.expand(-1, 3, -1, -1), KERNEL)
    torch.testing.assert_close(
        F.conv2d(grey.expand(-1, bands, -1, -1), adapted), expected, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("bands", [3, 6, 9])
def test_cyclic_answers_a_grey_image_as_before_when_colours_come_equally_often(bands: int) -> None:
    grey = torch.randn(2, 1, 8, 8)
    adapted = adapt_kernel(KERNEL, bands, "cyclic")
    expected = F.conv2d(grey.expand(-1, 3, -1, -1), KERNEL)
    torch.testing.assert_close(
        F.conv2d(grey.expand(-1, bands, -1, -1), adapted), expected, rtol=1e-4, atol=1e-5
    )


def test_cyclic_repeats_the_colours() -> None:
    adapted = adapt_kernel(KERNEL, 4, "cyclic")
    assert torch.equal(adapted[:, 3], adapted[:, 0])
    assert torch.equal(adapted, KERNEL[:, [0, 1, 2, 0]] * 0.75)


def test_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"red, green and blue, got \['red', 'nir'\]"):
        adapt_kernel(KERNEL, 2, "keep_rgb", ["red", "nir"])
    with pytest.raises(ValueError, match=r"2 bands are named .* but in_channels is 3"):
        adapt_kernel(KERNEL, 3, "mean", ["red", "nir"])
    with pytest.raises(ValueError, match="stem 'first' is unknown; choose keep_rgb"):
        adapt_kernel(KERNEL, 3, "first")  # type: ignore[arg-type]
