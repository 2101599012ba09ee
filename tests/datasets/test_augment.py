"""Image and mask move together, values survive, and one seed gives one result."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from unetzoo.datasets.augment import Augment2d, Augment3d
from unetzoo.inference.contract import IGNORE

RECIPES = Path(__file__).parents[2] / "configs" / "augment"


def recipe(name: str) -> Any:
    return yaml.safe_load((RECIPES / f"{name}.yaml").read_text())["transforms"]


def marked(shape: tuple[int, ...], bands: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Values of a normalised image, far outside 0..1, with a bright box that the mask marks."""
    x = np.random.default_rng(0).normal(-1, 0.2, (bands, *shape)).astype(np.float32)
    mask = np.zeros(shape, np.uint8)
    mask[tuple(slice(n // 4, n // 2) for n in shape)] = 1
    x[:, mask == 1] += 7
    return x, mask


@pytest.mark.parametrize("name", ["light", "medical", "aerial", "microscopy"])
@pytest.mark.parametrize("bands", [1, 3, 8])
def test_recipes_keep_image_and_mask_together(name: str, bands: int) -> None:
    x, mask = marked((48, 48), bands)
    augment = Augment2d(recipe(name))
    positions = set()
    for seed in range(12):
        y, moved = augment(x, mask, seed)
        assert y.shape == x.shape
        assert y.dtype == np.float32
        assert set(np.unique(moved)) <= {0, 1, IGNORE}
        bright = y.mean(0) > 2.5
        # one pixel of outline may blur
        assert 2 * (bright & (moved == 1)).sum() / (bright.sum() + (moved == 1).sum()) > 0.85
        positions.add(tuple(np.argwhere(moved == 1).mean(0).round()))
    assert len(positions) > 1


@pytest.mark.parametrize("name", ["volume", "elastic"])
def test_volume_recipes_keep_image_and_mask_together(name: str) -> None:
    x, mask = marked((20, 24, 28), 1)
    augment = Augment3d(recipe(name))
    for seed in range(12):
        y, moved = augment(x, mask, seed)
        assert (y.shape, moved.shape) == (x.shape, mask.shape)
        assert y.dtype == np.float32
        assert set(np.unique(moved)) <= {0, 1, IGNORE}
        bright = y[0] > 2.5
        assert 2 * (bright & (moved == 1)).sum() / (bright.sum() + (moved == 1).sum()) > 0.85


def test_values_outside_0_to_1_survive_albumentations() -> None:
    x, mask = marked((32, 32))
    y, _ = Augment2d([{"HorizontalFlip": {"p": 1}}, {"RandomBrightnessContrast": {"p": 0}}])(x, mask, 0)
    np.testing.assert_allclose(y, x[..., ::-1], atol=1e-5)
    y, _ = Augment2d(
        [{"RandomBrightnessContrast": {"brightness_limit": [0.1, 0.1], "contrast_limit": 0, "p": 1}}]
    )(x, mask, 0)
    np.testing.assert_allclose(y - x, 0.2 * np.ptp(x), rtol=1e-4)


def test_two_flips_are_independent_of_each_other() -> None:
    augment = Augment2d([{"HorizontalFlip": {"p": 0.5}}, {"VerticalFlip": {"p": 0.5}}])
    x = np.arange(4, dtype=np.float32).reshape(1, 2, 2)
    corners = {float(augment(x, np.zeros((2, 2), np.uint8), seed)[0][0, 0, 0].round()) for seed in range(40)}
    assert corners == {0, 1, 2, 3}


def test_what_comes_from_outside_is_ignored() -> None:
    x, mask = marked((32, 32))
    _, moved = Augment2d([{"Affine": {"translate_px": [10, 10], "p": 1}}])(x, mask, 0)
    assert (moved[:10] == IGNORE).all()
    assert (moved[:, :10] == IGNORE).all()
    assert (moved[10:, 10:] == mask[:-10, :-10]).all()
    x3, mask3 = marked((16, 16, 16), 1)
    shift = {"keys": ["image", "mask"], "mode": ["bilinear", "nearest"], "padding_mode": "zeros", "prob": 1.0}
    _, moved = Augment3d([{"RandAffined": {**shift, "translate_range": [[5, 5], [0, 0], [0, 0]]}}])(
        x3, mask3, 0
    )
    assert (moved == IGNORE).sum() == 5 * 16 * 16


def test_ignored_pixels_stay_ignored() -> None:
    x, mask = marked((32, 32))
    mask[:4] = IGNORE
    _, moved = Augment2d([{"VerticalFlip": {"p": 1}}])(x, mask, 0)
    assert (moved[-4:] == IGNORE).all()
    x3, mask3 = marked((8, 8, 8), 1)
    mask3[:2] = IGNORE
    _, moved = Augment3d([{"RandFlipd": {"keys": ["image", "mask"], "spatial_axis": 0, "prob": 1.0}}])(
        x3, mask3, 0
    )
    assert (moved[-2:] == IGNORE).all()


def test_layered_masks_move_layer_by_layer() -> None:
    x, mask = marked((16, 16))
    layers = np.stack([mask, 1 - mask, mask])
    _, moved = Augment2d([{"Transpose": {"p": 1}}])(x, layers, 0)
    assert (moved == layers.transpose(0, 2, 1)).all()


@pytest.mark.parametrize("name", ["medical", "volume", "elastic"])
def test_same_seed_same_result_whatever_came_before(name: str) -> None:
    kind, shape = (Augment2d, (32, 32)) if name == "medical" else (Augment3d, (12, 12, 12))
    x, mask = marked(shape)
    augment = kind(recipe(name))
    first = [augment(x, mask, seed) for seed in range(6)]
    again = pickle.loads(pickle.dumps(augment))
    for seed in (5, 2):
        y, moved = again(x, mask, seed)
        np.testing.assert_array_equal(y, first[seed][0])
        np.testing.assert_array_equal(moved, first[seed][1])
    assert not np.array_equal(first[0][0], first[1][0])


def test_nested_transforms() -> None:
    augment = Augment2d(
        [{"OneOf": {"transforms": [{"Transpose": {"p": 1}}, {"VerticalFlip": {"p": 1}}], "p": 1}}]
    )
    x, mask = marked((16, 16))
    results = {augment(x, mask, seed)[1].tobytes() for seed in range(10)}
    assert results == {mask.T.tobytes(), mask[::-1].tobytes()}


def test_mistakes_in_recipes_are_named() -> None:
    x, mask = marked((16, 16))
    with pytest.raises(ValueError, match="no transform 'HorizontalFlipp'; try HorizontalFlip"):
        Augment2d([{"HorizontalFlipp": {}}])(x, mask, 0)
    with pytest.raises(ValueError, match="no transform 'os'"):
        Augment2d([{"os": {}}])(x, mask, 0)
    with pytest.raises(ValueError, match=r"into \(8, 8\); leave out transforms that change the size"):
        Augment2d([{"RandomCrop": {"height": 8, "width": 8}}])(x, mask, 0)
    with pytest.raises(ValueError, match="one transform and its arguments"):
        Augment2d([{"A": {}, "B": {}}])(x, mask, 0)
    x3, mask3 = marked((8, 8, 8), 1)
    with pytest.raises(ValueError, match="choose augment=volume"):
        Augment2d(recipe("light"))(x3, mask3, 0)
    with pytest.raises(ValueError, match="choose augment=light"):
        Augment3d(recipe("volume"))(x, mask, 0)
    with pytest.raises(ValueError, match="RandFlipd does not take"):
        Augment3d([{"RandFlipd": {"keys": ["image"], "probability": 1}}])(x3, mask3, 0)
    with pytest.raises(ValueError, match=r"RandomGamma does not take .*gama_limit"):
        Augment2d([{"RandomGamma": {"gama_limit": 80}}])(x, mask, 0)
    blur: dict[str, Any] = {"keys": ["image", "mask"], "rotate_range": [0.5, 0, 0], "prob": 1.0}
    with pytest.raises(ValueError, match="interpolates the mask"):
        Augment3d([{"RandAffined": blur}])(x3, mask3, 0)
