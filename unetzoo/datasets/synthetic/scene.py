"""Georeferenced aerial scenes: fields, trees, water, roads and houses in four bands."""

from pathlib import Path

import numpy as np
from scipy import ndimage

from .manifest import items

BANDS = ("red", "green", "blue", "nir")
CLASSES = ("land", "building", "road", "water")  # ids 0..3
# reflectance in 1/10 000 per band, roughly as of Sentinel-2
FIELDS = np.array(
    [(900, 1000, 700, 3400), (1500, 1400, 1000, 2600), (2100, 1700, 1300, 2500), (600, 850, 500, 4000)]
)
ROOFS = np.array(
    [(2900, 1700, 1300, 2400), (2000, 2000, 2000, 2100), (3300, 3300, 3200, 3400), (1500, 1700, 2200, 1900)]
)
ROAD, WATER, TREE = (1900, 1900, 1850, 2050), (450, 650, 800, 250), (450, 700, 400, 3600)


def make_scene(root: Path, *, count: int = 30, size: int = 192, seed: int = 0) -> None:
    """Write `count` uint16 GeoTIFF scenes (4 bands, 0.5 m per pixel, EPSG:32636) and masks (ids of CLASSES).

    A third of the scenes has a strip without data (value 0, declared as no-data; 255 in the mask). Roofs come
    in the grey of the roads, water in the darkness of shadows. Three scenes share a site (season, light); the
    site is the group.
    """
    import rasterio

    for i, item in enumerate(
        items(root, count=count, per_group=3, seed=seed, kind=1, group="site", suffixes=(".tif", ".tif"))
    ):
        image, mask = draw(item.style, item.rng, size)
        site, place = divmod(i, 3)
        profile = {
            "driver": "GTiff",
            "height": size,
            "width": size,
            "crs": "EPSG:32636",
            "transform": rasterio.Affine(0.5, 0, 500_000 + site * 2000 + place * size, 0, -0.5, 40_000),
            "compress": "deflate",
        }
        with rasterio.open(item.image, "w", count=4, dtype="uint16", nodata=0, **profile) as file:
            file.write(image)
            file.descriptions = BANDS
        with rasterio.open(item.mask, "w", count=1, dtype="uint8", nodata=255, **profile) as file:
            file.write(mask, 1)


def draw(style: np.random.Generator, rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """One scene, (4, size, size) uint16 with 0 for no-data, and its mask, (size, size) uint8, 255 there."""
    y, x = np.mgrid[:size, :size].astype(np.float64)
    mask = np.zeros((size, size), np.uint8)
    seeds = rng.uniform(0, size, (rng.integers(8, 16), 2))
    plot = np.argmin((y[..., None] - seeds[:, 0]) ** 2 + (x[..., None] - seeds[:, 1]) ** 2, axis=-1)
    crops = FIELDS[rng.integers(len(FIELDS), size=len(seeds))] * rng.uniform(0.8, 1.25, (len(seeds), 1))
    ground = crops[plot]  # (H, W, 4)
    rows = np.sin(
        (y * np.cos(plot) + x * np.sin(plot)) * 1.1
    )  # plough lines, their direction set by the plot
    ground = ground * (1 + 0.05 * rows[..., None])
    trees = _smooth(rng, size, 3) > 1.4
    ground[trees] = np.array(TREE) * rng.uniform(0.8, 1.2)
    water = _smooth(rng, size, size / 9) > 1.25
    ground[water], mask[water] = WATER, 3
    for _ in range(rng.integers(1, 4)):
        road = _road(rng, y, x, size)
        ground[road], mask[road] = np.array(ROAD) * rng.uniform(0.85, 1.2), 2
    for _ in range(rng.integers(10, 26)):
        _house(rng, y, x, size, ground, mask)
    season, light = style.uniform(0.85, 1.2, 4), style.uniform(0.75, 1.2)
    haze = 120 * _smooth(rng, size, size / 6)[..., None]
    ground = ndimage.gaussian_filter(ground, (0.7, 0.7, 0)) * season * light + haze
    ground = ground * rng.normal(1, 0.05, ground.shape) + rng.normal(0, 40, ground.shape)
    image = np.clip(ground, 1, 10_000).astype(np.uint16).transpose(2, 0, 1).copy()
    if rng.random() < 1 / 3:  # the edge of the swath, slanted
        outside = x + 0.2 * y < rng.uniform(0.1, 0.3) * size
        image[:, outside], mask[outside] = 0, 255
    return image, mask


def _road(rng: np.random.Generator, y: np.ndarray, x: np.ndarray, size: int) -> np.ndarray:
    """Gently bent band across the scene, 4 to 8 px (2 to 4 m) wide."""
    angle, bend = rng.uniform(0, np.pi), rng.uniform(-0.3, 0.3)
    cy, cx = rng.uniform(0.2 * size, 0.8 * size, 2)
    along = ((x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)) / size
    across = (y - cy) * np.cos(angle) - (x - cx) * np.sin(angle) + bend * size * along**2
    return np.asarray(np.abs(across) < rng.uniform(2, 4))


def _house(
    rng: np.random.Generator, y: np.ndarray, x: np.ndarray, size: int, ground: np.ndarray, mask: np.ndarray
) -> None:
    """Turned rectangle with two roof sides of different brightness and a shadow, on free land only."""
    cy, cx = rng.uniform(6, size - 6, 2)
    half, angle = rng.uniform(4, 12, 2), rng.uniform(0, np.pi)
    u = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
    v = (y - cy) * np.cos(angle) - (x - cx) * np.sin(angle)
    roof = (np.abs(u) < half[0]) & (np.abs(v) < half[1])
    if mask[ndimage.binary_dilation(roof, iterations=2)].any():
        return
    shadow = ndimage.shift(roof.astype(np.uint8), (3, 3), order=0).astype(bool) & ~roof & (mask == 0)
    ground[shadow] *= 0.35
    ground[roof] = (
        ROOFS[rng.integers(len(ROOFS))] * np.where(v[roof] < 0, 1.1, 0.85)[:, None] * rng.uniform(0.8, 1.2)
    )
    mask[roof] = 1


def _smooth(rng: np.random.Generator, size: int, scale: float) -> np.ndarray:
    """Smooth noise of unit standard deviation; `scale` in px."""
    field = ndimage.gaussian_filter(rng.normal(size=(size, size)), scale)
    return np.asarray((field - field.mean()) / field.std())
