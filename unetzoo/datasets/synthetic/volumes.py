"""MRI-like volumes: an organ with small lesions, anisotropic voxels, oblique and flipped scanner axes."""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from .manifest import items

CLASSES = ("background", "organ", "lesion")  # ids 0..2
SPACING = (1.0, 1.0, 2.5)  # mm along the array axes


def make_volumes(
    root: Path, *, count: int = 20, shape: tuple[int, int, int] = (48, 44, 20), seed: int = 0
) -> None:
    """Write `count` NIfTI volumes of about `shape` voxels (1 x 1 x 2.5 mm) and masks (ids of CLASSES).

    Every scan has its own intensity scale (factors of a thousand apart, as in real MRI) and bias field; other
    blobs are as bright as the organ, and lesions overlap the noise of the organ. Affines are oblique, and
    every other one is left-handed. Two scans share a patient; the patient is the group.
    """
    nibabel: Any = import_module("nibabel")  # ships no types

    for i, item in enumerate(
        items(
            root,
            count=count,
            per_group=2,
            seed=seed,
            kind=2,
            group="patient",
            suffixes=(".nii.gz", ".nii.gz"),
        )
    ):
        extent = tuple(int(n + item.rng.integers(-3, 4)) for n in shape)
        image, mask = draw(item.style, item.rng, extent)
        turn = Rotation.from_euler("xyz", item.style.uniform(-15, 15, 3), degrees=True).as_matrix()
        affine = np.eye(4)
        affine[:3, :3] = turn @ np.diag(SPACING) @ np.diag([-1 if i % 2 else 1, 1, 1])
        affine[:3, 3] = item.rng.uniform(-60, 60, 3)
        for data, path in ((image, item.image), (mask, item.mask)):
            file = nibabel.Nifti1Image(data, affine)
            file.header.set_xyzt_units("mm")
            nibabel.save(file, path)


def draw(
    style: np.random.Generator, rng: np.random.Generator, shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """One volume, `shape` float32, and its mask, `shape` uint8."""
    spacing = np.array(SPACING)
    grid = np.stack(
        np.meshgrid(*(np.arange(n) * s for n, s in zip(shape, spacing, strict=True)), indexing="ij")
    )
    extent = np.array(shape) * spacing
    wobble = _smooth(rng, shape, 6)
    centre = extent * rng.uniform(0.4, 0.6, 3)
    organ = _distance(grid, centre, extent * style.uniform(0.2, 0.28, 3)) + 0.12 * wobble < 1
    mask = organ.astype(np.uint8)
    image = 0.25 + 0.05 * wobble + 0.45 * organ
    for _ in range(rng.integers(2, 5)):  # neighbours as bright as the organ, but smaller and rounder
        other = _distance(grid, rng.uniform(0.05, 0.95, 3) * extent, np.full(3, rng.uniform(3, 6))) < 1
        image[other & ~organ] = rng.uniform(0.55, 0.8)
    inside = np.argwhere(ndimage.distance_transform_edt(organ, sampling=spacing) > 3)
    for _ in range(rng.integers(1, 4)):
        if len(inside) == 0:
            break
        spot = inside[rng.integers(len(inside))] * spacing
        lesion = (_distance(grid, spot, rng.uniform(3, 5, 3)) < 1) & organ
        mask[lesion], image[lesion] = 2, rng.uniform(0.95, 1.1)
    image = ndimage.gaussian_filter(image, 0.8 / spacing) * np.exp(0.18 * _smooth(rng, shape, 18))
    image = np.hypot(image + rng.normal(0, 0.06, shape), rng.normal(0, 0.06, shape))  # Rician, as in MRI
    return (image * 10 ** style.uniform(2, 5)).astype(np.float32), mask


def _distance(grid: np.ndarray, centre: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Distance from `centre` in units of `radii`, (x, y, z) mm."""
    scaled = (grid - centre[:, None, None, None]) / radii[:, None, None, None]
    return np.asarray(np.sqrt((scaled**2).sum(axis=0)))


def _smooth(rng: np.random.Generator, shape: tuple[int, ...], scale: float) -> np.ndarray:
    """Smooth noise of unit standard deviation; `scale` in mm."""
    field = ndimage.gaussian_filter(rng.normal(size=shape), scale / np.array(SPACING), mode="wrap")
    return np.asarray((field - field.mean()) / field.std())
