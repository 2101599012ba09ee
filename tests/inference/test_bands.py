from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from unetzoo.inference import read_image

FOUR = np.arange(4 * 5 * 6, dtype=np.uint16).reshape(4, 5, 6)
NAMES = ("blue", "green", "red", "nir")


def test_bands_are_picked_by_name_in_the_order_wanted(geotiff: Callable[..., Path]) -> None:
    image = read_image(geotiff(FOUR, names=NAMES), bands=("NIR", "red"))
    np.testing.assert_array_equal(image.data, FOUR[[3, 2]])
    assert image.bands == ("nir", "red")


def test_band_that_is_not_there_is_named(geotiff: Callable[..., Path]) -> None:
    with pytest.raises(ValueError, match=r"scene\.tif.*blue, green, red, nir but not swir"):
        read_image(geotiff(FOUR, names=NAMES), bands=("red", "swir"))


def test_files_without_names_are_taken_by_count(geotiff: Callable[..., Path]) -> None:
    path = geotiff(FOUR)
    np.testing.assert_array_equal(read_image(path, bands=("w", "x", "y", "z")).data, FOUR)
    np.testing.assert_array_equal(read_image(path, bands=4).data, FOUR)
    with pytest.raises(ValueError, match=r"scene\.tif: has 4 band\(s\) where 3 are wanted \(a, b, c\)"):
        read_image(path, bands=("a", "b", "c"))


@pytest.mark.parametrize("names", [("Band 1", "Band 2", "Band 3", "Band 4"), ("1", "2", "3", "4")])
def test_names_that_only_count_are_no_names(geotiff: Callable[..., Path], names: tuple[str, ...]) -> None:
    np.testing.assert_array_equal(read_image(geotiff(FOUR, names=names), bands=NAMES).data, FOUR)
    wanted = ("band_1", "band_2", "band_3", "band_4")
    np.testing.assert_array_equal(read_image(geotiff(FOUR, names=NAMES), bands=wanted).data, FOUR)


def test_fourth_8_bit_band_flagged_as_alpha_is_data_if_four_are_wanted(geotiff: Callable[..., Path]) -> None:
    bands = FOUR.astype(np.uint8)
    bands[3, 0] = 0
    path = geotiff(bands, photometric=None)
    four = read_image(path, bands=4)
    np.testing.assert_array_equal(four.data, bands)
    assert four.valid.all()
    three = read_image(path)
    assert len(three.data) == 3
    np.testing.assert_array_equal(three.valid, bands[3] > 0)


def test_alpha_band_with_a_name_of_its_own_is_data(geotiff: Callable[..., Path]) -> None:
    image = read_image(geotiff(FOUR.astype(np.uint8), photometric=None, names=("r", "g", "b", "nir")))
    assert image.bands == ("r", "g", "b", "nir")
    assert image.valid.all()


def test_grey_picture_serves_where_three_bands_are_wanted(tmp_path: Path) -> None:
    PIL.Image.fromarray(FOUR[0].astype(np.uint8)).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png", bands=3)
    np.testing.assert_array_equal(image.data, np.stack([FOUR[0]] * 3))


def test_picture_of_equal_channels_serves_as_grey(tmp_path: Path) -> None:
    grey = np.dstack([FOUR[0].astype(np.uint8)] * 3)
    PIL.Image.fromarray(grey).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png", bands=("grey",)).data.shape == (1, 5, 6)
    grey[0, 0, 0] += 1
    PIL.Image.fromarray(grey).save(tmp_path / "b.png")
    with pytest.raises(ValueError, match=r"b\.png: has 3 band\(s\) where 1 are wanted"):
        read_image(tmp_path / "b.png", bands=1)


def test_raster_with_a_place_is_never_repeated(geotiff: Callable[..., Path]) -> None:
    with pytest.raises(ValueError, match=r"has 1 band\(s\) where 3 are wanted"):
        read_image(geotiff(FOUR[:1]), bands=3)


def test_rgba_picture_has_three_bands(tmp_path: Path) -> None:
    PIL.Image.fromarray(FOUR.astype(np.uint8).transpose(1, 2, 0)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"has 3 band\(s\) where 4 are wanted"):
        read_image(tmp_path / "a.png", bands=4)
