"""Fluorescence-like nuclei: touching, bright and dim, under uneven light, with debris and noise."""

from pathlib import Path

import numpy as np
from scipy import ndimage

from .manifest import items


def make_nuclei(root: Path, *, count: int = 60, size: int = 160, seed: int = 0) -> None:
    """Write `count` grey PNG pictures of `size` x `size` px and their masks (0 background, 255 nucleus).

    No one threshold fits: the light falls off across the picture, dim nuclei are darker than the haze around
    bright ones, and debris and streaks are bright without being nuclei. Touching nuclei keep a one-pixel gap
    in the mask. Four pictures share a slide (its light, crowding and noise); the slide is the group.
    """
    from PIL import Image

    for item in items(
        root, count=count, per_group=4, seed=seed, kind=0, group="slide", suffixes=(".png", ".png")
    ):
        picture, mask = draw(item.style, item.rng, size)
        Image.fromarray(picture).save(item.image)
        Image.fromarray(mask.astype(np.uint8) * 255).save(item.mask)


def draw(style: np.random.Generator, rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """One picture, (size, size) uint8, and its mask, (size, size) bool."""
    density, radius = style.uniform(6, 16), style.uniform(7, 12)  # nuclei per 10 000 px, px
    haze, noise, blur = style.uniform(0.25, 0.6), style.uniform(0.02, 0.06), style.uniform(0.8, 1.6)
    labels = _nuclei(rng, size, max(3, round(density * size * size / 1e4)), radius)
    mask = labels > 0
    brightness = rng.uniform(0.25, 1.0, labels.max() + 1)
    brightness[0] = 0
    chromatin = 1 + 0.35 * _clouds(rng, size, 1.8)
    light = np.exp(_slope(style, size) * 0.9 + 0.25 * _clouds(rng, size, size / 5))
    glow = brightness[labels] * chromatin
    signal = ndimage.gaussian_filter(glow + _debris(rng, size), blur)
    signal = signal + haze * ndimage.gaussian_filter(
        glow, radius * 1.3
    )  # out-of-focus light around the bright ones
    signal = (0.12 + 0.6 * signal) * light
    signal = rng.poisson(np.clip(signal, 0, None) * 90) / 90 + rng.normal(0, noise, signal.shape)
    gain = 235 / max(1.0, float(np.percentile(signal, 99.8)))
    return np.clip(12 + signal * gain, 0, 255).astype(np.uint8), mask


def _nuclei(rng: np.random.Generator, size: int, count: int, radius: float) -> np.ndarray:
    """Labels (size, size) of wobbly ellipses; later ones yield to earlier ones and keep a gap of 1 px."""
    labels = np.zeros((size, size), np.int32)
    centres: list[tuple[float, float]] = []
    for label in range(1, count + 1):
        if centres and rng.random() < 0.6:  # most nuclei sit against another one
            cy, cx = centres[rng.integers(len(centres))]
            angle, step = rng.uniform(0, 2 * np.pi), radius * rng.uniform(1.5, 2.1)
            cy, cx = cy + step * np.sin(angle), cx + step * np.cos(angle)
        else:
            cy, cx = rng.uniform(-2, size + 2, 2)
        centres.append((cy, cx))
        r = radius * rng.choice([0.55, 0.8, 1.0, 1.25], p=[0.15, 0.3, 0.35, 0.2])
        stretch, turn, phase = rng.uniform(0.65, 1.0), rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi, 2)
        reach = 1.3 * r
        box = tuple(slice(max(0, int(c - reach)), max(0, int(c + reach) + 1)) for c in (cy, cx))
        window = labels[box]
        dy, dx = np.ogrid[box][0] - cy, np.ogrid[box][1] - cx
        dy, dx = dy[: window.shape[0]], dx[:, : window.shape[1]]
        u = dx * np.cos(turn) + dy * np.sin(turn)
        v = (dy * np.cos(turn) - dx * np.sin(turn)) / stretch
        theta = np.arctan2(v, u)
        outline = r * (1 + 0.08 * np.cos(2 * theta + phase[0]) + 0.06 * np.cos(3 * theta + phase[1]))
        whole = np.hypot(u, v) < outline
        shape = whole & ~ndimage.binary_dilation(window > 0)
        if shape.sum() > max(12, 0.55 * whole.sum()):  # no slivers of a nucleus that is mostly hidden
            window[shape] = label
    return labels


def _debris(rng: np.random.Generator, size: int) -> np.ndarray:
    """Bright specks and a few streaks of fibre that are no nuclei."""
    canvas = np.zeros((size, size))
    for _ in range(rng.integers(4, 14)):
        y, x = rng.integers(0, size, 2)
        canvas[y : y + rng.integers(1, 4), x : x + rng.integers(1, 4)] += rng.uniform(0.5, 2.0)
    for _ in range(rng.integers(0, 3)):
        t = np.linspace(0, 1, 3 * size)
        start, end, bend = rng.uniform(0, size, (3, 2))
        path = np.outer((1 - t) ** 2, start) + np.outer(2 * t * (1 - t), bend) + np.outer(t**2, end)
        rows, columns = np.clip(path.round().astype(int), 0, size - 1).T
        canvas[rows, columns] = rng.uniform(0.5, 1.2)
    return canvas


def _clouds(rng: np.random.Generator, size: int, scale: float) -> np.ndarray:
    """Smooth noise of unit standard deviation; `scale` in px."""
    field = ndimage.gaussian_filter(rng.normal(size=(size, size)), scale, mode="wrap")
    return np.asarray((field - field.mean()) / field.std())


def _slope(style: np.random.Generator, size: int) -> np.ndarray:
    """Plane from -0.5 to 0.5 in a random direction: the lamp stands to one side."""
    y, x = np.mgrid[:size, :size] / (size - 1) - 0.5
    angle = style.uniform(0, 2 * np.pi)
    plane = y * np.sin(angle) + x * np.cos(angle)
    return np.asarray(plane / np.ptp(plane))
