"""Slices beside what a poor tomograph would make of them: images/, targets/, splits.json and manifest.csv.

    python data/synthetic_ct/prepare.py data/hippocampus_msd --out data/synthetic_ct

Source: any prepared set of NIfTI volumes, one per patient; its splits are kept. Needs numpy, scipy, nibabel
and rasterio. The degradation is seeded by the name of the volume, so that every call makes the same files.
"""

import json
import sys
import warnings
import zlib
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.layout import run, write_splits

SLICES = 4  # per volume, around its middle
APART = 3  # voxels
LOW, HIGH, TOP = -400.0, 400.0, 800.0  # made HU of the value 0, of the volume's 99th percentile, at most

VIEWS = 18  # over half a turn: streaks
WATER = 0.03  # attenuation per voxel at 0 HU
PHOTONS = 1e4  # per ray: noise
SCATTER = 0.1  # beside what comes through: values too low, less contrast
CUTOFF = 1.0  # of the Nyquist frequency, Hann: blur


def degrade(slices: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Project and reconstruct slices (K, H, W) in HU, surrounded by air, with few views, scatter and noise.

    Parallel rays through each slice, filtered back-projection; scatter is what comes through, blurred by a
    wide Gaussian, which the reconstruction takes for rays that were attenuated less.
    """
    size = slices.shape[1:]
    side = int(np.ceil(np.hypot(*size))) + 4
    before = [(side - n) // 2 for n in size]
    margins = [(0, 0), *((b, side - n - b) for b, n in zip(before, size, strict=True))]
    attenuation = np.pad((slices + 1000) * (WATER / 1000), margins)
    frequency = np.fft.rfftfreq(2 * side)
    window = np.where(frequency < CUTOFF / 2, 0.5 + 0.5 * np.cos(2 * np.pi * frequency / CUTOFF), 0)
    found = np.zeros_like(attenuation)
    for angle in np.arange(VIEWS) * (180 / VIEWS):
        line = _turned(attenuation, angle).sum(1)  # (K, side)
        through = PHOTONS * np.exp(-line)
        scatter = SCATTER * ndimage.gaussian_filter1d(through, side / 4, axis=1, mode="nearest")
        counts = rng.poisson(through + scatter).clip(1)
        measured = -np.log(counts / (PHOTONS * (1 + SCATTER)))
        filtered = np.fft.irfft(np.fft.rfft(measured, 2 * side, axis=1) * 2 * frequency * window, axis=1)
        smeared = np.broadcast_to(filtered[:, None, :side], attenuation.shape)
        found += _turned(smeared, -angle)
    found *= np.pi / (2 * VIEWS)
    inside = tuple(slice(b, b + n) for b, n in zip(before, size, strict=True))
    return np.asarray(found[(slice(None), *inside)] * (1000 / WATER) - 1000, np.float32)


def convert(source: Path, out: Path) -> None:
    """Degrade the middle slices of every volume."""
    nibabel: Any = import_module("nibabel")
    path = source / "splits.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; give the folder of a prepared set of NIfTI volumes")
    splits = json.loads(path.read_text(encoding="utf-8"))
    made: dict[str, list[str]] = {}
    for split in ("train", "val", "test"):
        made[split] = []
        for name in splits.get(split, []):
            volume = nibabel.as_closest_canonical(nibabel.load(source / "images" / name))
            values = np.asarray(volume.dataobj, np.float32).T  # (z, y, x)
            middle = len(values) // 2 + APART * (np.arange(SLICES) - (SLICES - 1) / 2)
            chosen = values[middle.round().astype(int)]
            target = (LOW + chosen * ((HIGH - LOW) / np.percentile(values, 99))).clip(LOW, TOP)
            image = degrade(target, np.random.default_rng(zlib.crc32(name.encode())))
            for k in range(SLICES):
                file = f"{name.removesuffix('.nii.gz')}_{k}.tif"
                _write(out / "images" / file, image[k])
                _write(out / "targets" / file, target[k].astype(np.float32))
                made[split].append(file)
    write_splits(out, made)


def volume_of(name: str) -> str:
    """``hippocampus_003_2.tif`` to ``hippocampus_003``."""
    return name.rpartition("_")[0]


def _turned(slices: np.ndarray, angle: float) -> np.ndarray:
    turned: np.ndarray = ndimage.rotate(slices, angle, axes=(2, 1), reshape=False, order=1)
    return turned


def _write(path: Path, values: np.ndarray) -> None:
    import rasterio

    height, width = values.shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        options = {"driver": "GTiff", "dtype": "float32", "count": 1, "compress": "deflate", "predictor": 3}
        with rasterio.open(path, "w", height=height, width=width, **options) as file:
            file.write(values, 1)


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    return run(argv, __doc__ or "", volume_of, convert, kinds=("images", "targets"))


if __name__ == "__main__":
    sys.exit(main())
