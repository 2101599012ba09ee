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
    """Changes a patch and its mask together."""

    def __call__(self, x: np.ndarray, mask: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """(C, *size) float32 and (*size) or (K, *size) uint8 in the same shapes, by the seed alone."""
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
        self._compose: Any = None

    def __call__(self, x: np.ndarray, mask: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """See ``Augment``."""
        if x.ndim != 3:
            raise ValueError(
                f"this augment recipe is for 2D images, the data is {x.ndim - 1}D; choose augment=volume"
            )
        if self._compose is None:
            self._compose = self._build()
        # one generator for all: set_random_seed gives every transform its own of the same seed, and two flips
        # with p=0.5 would always agree
        self._compose.set_random_state(np.random.default_rng(seed), random.Random(seed))
        low, scale = float(x.min()), float(np.ptp(x)) or 1.0
        layers = mask if mask.ndim == 3 else mask[None]
        result = self._compose(
            image=np.ascontiguousarray(((x - low) / scale * 0.5 + 0.25).transpose(1, 2, 0)),
            # uint8 wraps IGNORE to 0, the value that every transform fills masks with by default
            mask=np.ascontiguousarray((layers + np.uint8(1)).transpose(1, 2, 0)),
        )
        image = ((result["image"] - 0.25) * 2 * scale + low).transpose(2, 0, 1).astype(np.float32)
        layers = result["mask"].transpose(2, 0, 1) - np.uint8(1)
        return _checked(x, mask, image, layers.reshape(mask.shape) if layers.size == mask.size else layers)

    def _build(self) -> Any:
        os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # its import asks PyPI for news otherwise
        import albumentations
        import cv2

        cv2.setNumThreads(0)  # OpenCV's threads do not survive the fork of a loader's worker
        kinds = (albumentations.BasicTransform, albumentations.BaseCompose)
        return albumentations.Compose(_build(self.transforms, albumentations, kinds))


class Augment3d:
    """MONAI's dictionary transforms (names end in ``d``) on (C, D, H, W) patches, and our ``RandElasticd``.

    Transforms that move voxels need ``keys: [image, mask]`` and, to keep ids whole, ``mode: [bilinear,
    nearest]``; those that change values ``keys: [image]``. Values brought in from outside the patch are 0 in
    the image and IGNORE in the mask, unless the padding mode says otherwise.
    """

    def __init__(self, transforms: Recipe) -> None:
        self.transforms = transforms
        self._compose: Any = None

    def __call__(self, x: np.ndarray, mask: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """See ``Augment``."""
        if x.ndim != 4:
            raise ValueError(
                f"this augment recipe is for volumes, the data is {x.ndim - 1}D; choose augment=light"
            )
        if self._compose is None:
            self._compose = self._build()
        self._compose.set_random_state(seed)
        layers = mask if mask.ndim == 4 else mask[None]
        # uint8 wraps IGNORE to 0, the value MONAI pads with
        result = self._compose({"image": x.copy(), "mask": (layers + np.uint8(1)).astype(np.float32)})
        ids = np.asarray(result["mask"])
        if (ids != ids.round()).any():
            raise ValueError(
                "the augment recipe interpolates the mask; give its transforms mode: [bilinear, nearest]"
            )
        layers = ids.astype(np.uint8) - np.uint8(1)
        image = np.asarray(result["image"], np.float32)
        return _checked(x, mask, image, layers.reshape(mask.shape) if layers.size == mask.size else layers)

    def _build(self) -> Any:
        from monai import transforms
        from monai.transforms.compose import Compose
        from monai.transforms.transform import MapTransform

        from unetzoo.datasets.elastic import RandElasticd

        own = {"RandElasticd": RandElasticd}
        return Compose(_build(self.transforms, transforms, (MapTransform,), own))


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
