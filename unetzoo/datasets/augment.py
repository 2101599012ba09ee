"""Random changes to training patches: albumentations in 2D, MONAI in 3D, each seeded by the draw.

Recipes name the libraries' transforms instead of giving Hydra ``_target_``: a config that comes out of a
checkpoint can then build a transform, and nothing else.
"""

import os
import random
import warnings
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from types import ModuleType
from typing import Any, Protocol

import numpy as np

Recipe = Sequence[Mapping[str, Mapping[str, Any] | None]]
"""Transforms by name with their arguments, in order; arguments named ``transforms`` are recipes again."""


class Augment(Protocol):
    """Changes a patch and its mask, or its target image, together.

    A target is moved as the image is, with linear interpolation, and keeps its values: transforms of
    intensities are for the image alone.
    """

    def __call__(self, x: np.ndarray, mask: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """(C, *size) float32 and (*size) or (K, *size) uint8 in the same shapes, by the seed alone.

        A target stands in the mask's place as (K, *size) float32, NaN where it does not count.
        """
        ...


class Unchanged:
    """No augmentation."""

    def __call__(self, x: np.ndarray, mask: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """The arguments."""
        return x, mask


class Augment2d:
    """Albumentations' transforms on (C, H, W) patches with any number of bands.

    Albumentations cuts float images off at 0 and 1, where normalised values do not live. It is therefore
    shown the patch with its darkest value at 0.25 and its brightest at 0.75: limits of brightness and noise
    are fractions of twice the patch's range, gammas act on positive numbers, and ``fill: 0.5`` is the middle.

    What a geometric transform brings in from outside the patch is IGNORE in the mask, unless its border mode
    mirrors.
    """

    def __init__(self, transforms: Recipe) -> None:
        self.transforms = transforms
        self._composed: dict[bool, Any] = {}

    def __call__(self, x: np.ndarray, mask: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """See ``Augment``."""
        if x.ndim != 3:
            raise ValueError(
                f"this augment recipe is for 2D images, the data is {x.ndim - 1}D; choose augment=volume"
            )
        image_target = mask.dtype != np.uint8
        if image_target not in self._composed:
            self._composed[image_target] = self._build(image_target)
        compose = self._composed[image_target]
        # one generator for all: set_random_seed gives every transform its own of the same seed, and two flips
        # with p=0.5 would always agree
        compose.set_random_state(np.random.default_rng(seed), random.Random(seed))
        low, scale = float(x.min()), float(np.ptp(x)) or 1.0
        result = compose(
            image=np.ascontiguousarray(((x - low) / scale * 0.5 + 0.25).transpose(1, 2, 0)),
            mask=np.ascontiguousarray(_layers(mask, x.ndim).transpose(1, 2, 0)),
        )
        image = ((result["image"] - 0.25) * 2 * scale + low).transpose(2, 0, 1).astype(np.float32)
        return _checked(x, mask, image, _unlayered(result["mask"].transpose(2, 0, 1), mask))

    def _build(self, image_target: bool) -> Any:
        os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # its import asks PyPI for news otherwise
        import albumentations
        import cv2

        cv2.setNumThreads(0)  # OpenCV's threads do not survive the fork of a loader's worker
        kinds = (albumentations.BasicTransform, albumentations.BaseCompose)
        return albumentations.Compose(
            _build(self.transforms, albumentations, kinds),
            mask_interpolation=cv2.INTER_LINEAR if image_target else None,
        )


class Augment3d:
    """MONAI's dictionary transforms (names end in ``d``) on (C, D, H, W) patches, and our ``RandElasticd``.

    Transforms that move voxels need ``keys: [image, mask]`` and, to keep ids whole, ``mode: [bilinear,
    nearest]``; those that change values ``keys: [image]``. Values brought in from outside the patch are 0 in
    the image and IGNORE in the mask, unless the padding mode says otherwise.
    """

    def __init__(self, transforms: Recipe) -> None:
        self.transforms = transforms
        self._composed: dict[bool, Any] = {}

    def __call__(self, x: np.ndarray, mask: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """See ``Augment``."""
        if x.ndim != 4:
            raise ValueError(
                f"this augment recipe is for volumes, the data is {x.ndim - 1}D; choose augment=light"
            )
        image_target = mask.dtype != np.uint8
        if image_target not in self._composed:
            self._composed[image_target] = self._build(image_target)
        compose = self._composed[image_target]
        compose.set_random_state(seed)
        result = compose({"image": x.copy(), "mask": _layers(mask, x.ndim).astype(np.float32)})
        layers = np.asarray(result["mask"])
        if not image_target and (layers != layers.round()).any():
            raise ValueError(
                "the augment recipe interpolates the mask; give its transforms mode: [bilinear, nearest]"
            )
        image = np.asarray(result["image"], np.float32)
        return _checked(x, mask, image, _unlayered(layers, mask))

    def _build(self, image_target: bool) -> Any:
        from monai import transforms
        from monai.transforms.compose import Compose
        from monai.transforms.transform import MapTransform

        from unetzoo.datasets.elastic import RandElasticd

        own = {"RandElasticd": RandElasticd}
        recipe = _interpolated(self.transforms) if image_target else self.transforms
        return Compose(_build(recipe, transforms, (MapTransform,), own))


def _layers(mask: np.ndarray, ndim: int) -> np.ndarray:
    """A mask or target as layers in which 0, what all transforms fill with, means that nothing is known.

    uint8 wraps IGNORE to 0. A target is followed by a layer that is 1 where it counts.
    """
    if mask.dtype == np.uint8:
        return (mask if mask.ndim == ndim else mask[None]) + np.uint8(1)
    counts = np.isfinite(mask).all(axis=0, keepdims=True)
    return np.concatenate([np.where(counts, mask, 0), counts]).astype(np.float32)


def _unlayered(layers: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Inverse of `_layers`; a pixel mixed with one that does not count does not count."""
    if mask.dtype == np.uint8:
        layers = layers.astype(np.uint8) - np.uint8(1)
        return layers.reshape(mask.shape) if layers.size == mask.size else layers
    return np.where(layers[-1:] > 1 - 1e-3, layers[:-1], np.nan).astype(np.float32)


def _interpolated(recipe: Recipe) -> Recipe:
    """The recipe with ``nearest`` replaced by ``bilinear``, wherever it stands."""

    def linear(part: Any) -> Any:
        if isinstance(part, Mapping):
            return {key: linear(value) for key, value in part.items()}
        if isinstance(part, list | tuple):
            return [linear(value) for value in part]
        return "bilinear" if part == "nearest" else part

    return [linear(entry) for entry in recipe]


def _build(
    recipe: Recipe, library: ModuleType, kinds: tuple[type, ...], own: Mapping[str, type] | None = None
) -> list[Any]:
    """The recipe's transforms from the library's classes of the given kinds, and our own."""
    known = {**vars(library), **(own or {})}
    built = []
    for entry in recipe:
        if len(entry) != 1:
            raise ValueError(
                f"augment.transforms has the entry {dict(entry)}; each is one transform and its arguments"
            )
        ((name, arguments),) = entry.items()
        found = known.get(name)
        if not (isinstance(found, type) and issubclass(found, kinds)):
            names = [n for n, c in known.items() if isinstance(c, type) and issubclass(c, kinds)]
            close = get_close_matches(name, names, 3) or ["those in its documentation"]
            raise ValueError(
                f"augment.transforms: {library.__name__} has no transform '{name}'; try {', '.join(close)}"
            )
        options = dict(arguments or {})
        if "transforms" in options:
            options["transforms"] = _build(options["transforms"], library, kinds, own)
        try:
            with warnings.catch_warnings():
                # albumentations only warns of an argument it does not know, and goes on without it
                warnings.filterwarnings("error", ".*not valid for transform")
                built.append(found(**options))
        except (TypeError, ValueError, UserWarning) as error:
            reason = " ".join(str(error).split())
            raise ValueError(f"augment.transforms: {name} does not take {options} ({reason})") from error
    return built


def _checked(
    x: np.ndarray, mask: np.ndarray, image: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    if image.shape != x.shape or labels.shape != mask.shape:
        raise ValueError(
            f"the augment recipe turns patches of {x.shape[1:]} into {image.shape[1:]}; "
            "leave out transforms that change the size (data.patch sets it)"
        )
    return image, np.ascontiguousarray(labels)
