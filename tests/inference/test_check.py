from collections.abc import Callable

import numpy as np
import pytest

from unetzoo.inference import DataSpec, Image, Normalisation
from unetzoo.inference.check import check_source
from unetzoo.inference.geometry import PictureGeometry
from unetzoo.inference.source import ImageSource

FIXED = Normalisation("fixed", mean=(0.0,) * 3, std=(1.0,) * 3)


def image_up_to(peak: float, dtype: str, bands: int = 3) -> Image:
    data = np.zeros((bands, 4, 5), dtype)
    data[-1, 2, 2] = peak
    valid = np.ones((4, 5), bool)
    return Image(data, valid, (), None, "px", PictureGeometry((4, 5)))


def check(image: Image, data: DataSpec) -> None:
    check_source(ImageSource(image), data, "scene")


@pytest.mark.parametrize(
    ("trained", "peak", "dtype"),
    [
        ((0, 255), 1, "float32"),
        ((0, 255), 0.2, "float64"),
        ((0, 10000), 1, "float32"),
        ((0, 10000), 255, "uint8"),
        ((0, 1), 255, "uint8"),
        ((0, 1), 10000, "float32"),
        ((0, 255), 65535, "uint16"),
        ((0, 255), -32768, "int16"),
    ],
)
@pytest.mark.parametrize("method", ["imagenet", "fixed"])
def test_values_on_another_scale_are_refused(
    spec: Callable[..., DataSpec], trained: tuple[float, float], peak: float, dtype: str, method: str
) -> None:
    how = FIXED if method == "fixed" else Normalisation(method)
    with pytest.raises(ValueError, match=rf"scene: values reach .* reached {trained[1]}, .*'{method}'"):
        check(image_up_to(peak, dtype), spec(normalisation=how, value_range=trained))


@pytest.mark.parametrize(
    ("trained", "peak", "dtype"),
    [
        ((0, 255), 255, "uint8"),
        ((0, 255), 3, "uint8"),  # a dark picture
        ((0, 10000), 90, "uint16"),  # a dark scene
        ((0, 10000), 300, "float32"),
        ((0, 255), 4095, "uint16"),
        ((0, 1), 0.01, "float32"),
        ((0, 1.2), 8, "float32"),
        ((0, 255), 0, "float32"),  # black
        ((-1000, 3000), -1024, "int16"),
    ],
)
def test_dark_and_ordinary_images_pass(
    spec: Callable[..., DataSpec], trained: tuple[float, float], peak: float, dtype: str
) -> None:
    check(image_up_to(peak, dtype), spec(normalisation=FIXED, value_range=trained))


@pytest.mark.parametrize("method", ["percentile", "zscore", "minmax"])
def test_normalisation_by_the_image_itself_takes_any_scale(
    spec: Callable[..., DataSpec], method: str
) -> None:
    data = spec(normalisation=Normalisation(method), value_range=(0, 255))
    check(image_up_to(1e6, "float32"), data)
    check(image_up_to(1e-3, "float32"), data)


def test_invalid_pixels_have_no_scale(spec: Callable[..., DataSpec]) -> None:
    image = image_up_to(-3e38, "float32")
    image.valid[2, 2] = False
    data = spec(normalisation=FIXED, value_range=(0, 1))
    check(image, data)
    image.valid[:] = False
    check(image, data)


def test_wrong_dimension_and_bands_are_refused(spec: Callable[..., DataSpec]) -> None:
    with pytest.raises(ValueError, match=r"scene: has 4 band\(s\) but the model wants 3: red, green, blue"):
        check(image_up_to(1, "uint8", bands=4), spec())
    with pytest.raises(ValueError, match="scene: is 2D but the model is for 3D"):
        check(image_up_to(1, "uint8"), spec(ndim=3, tile=(8, 8, 8)))
