"""Random patches of one large GeoTIFF: samples per second beside TorchGeo and a plain loader, and who waits.

    python -m benchmarks.loader --size 6144 --rounds 5 --samples 64
    python -m benchmarks.loader --wait 6

Every reader draws 256 px patches with their masks in one process, with the same albumentations transforms;
rounds are interleaved, so that what else the machine does falls on all alike. TorchGeo (``pip install
torchgeo``) is left out where it is missing. ``--wait`` measures steps of ``unet resnet34`` instead, and
the share of their time that passes before the next batch is there.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import numpy as np
import rasterio
import torch
from rasterio.windows import Window

from unetzoo import create_model
from unetzoo.datasets import SegmentationData
from unetzoo.datasets.augment import Augment2d

PATCH = 256
RECIPE: list[dict[str, Any]] = [
    {"D4": {"p": 1.0}},
    {"RandomBrightnessContrast": {"brightness_limit": 0.1, "contrast_limit": 0.15, "p": 0.5}},
]


def make(folder: Path, size: int) -> tuple[Path, Path]:
    """A scene of three 8-bit bands and its mask, tiled and compressed as such files are."""
    image, mask = folder / f"scene_{size}.tif", folder / f"mask_{size}.tif"
    if image.is_file() and mask.is_file():
        return image, mask
    rng = np.random.default_rng(0)
    coarse = rng.integers(20, 220, (3, size // 32, size // 32))
    profile = {
        "driver": "GTiff",
        "height": size,
        "width": size,
        "dtype": "uint8",
        "crs": "EPSG:32633",
        "transform": rasterio.Affine(0.5, 0, 400_000, 0, -0.5, 5_000_000),
        "tiled": True,
        "blockxsize": 512,
        "blockysize": 512,
        "compress": "deflate",
        "zlevel": 1,
    }
    field = np.kron(coarse, np.ones((32, 32), np.int64)) + rng.integers(0, 16, (3, size, size))
    with rasterio.open(image, "w", count=3, **profile) as file:
        file.write(field.astype(np.uint8))
    with rasterio.open(mask, "w", count=1, **profile) as file:
        file.write((field[0] > 120).astype(np.uint8), 1)
    return image, mask


def manifest(image: Path, mask: Path) -> Path:
    """A table of the one scene."""
    path = image.parent / "manifest.csv"
    path.write_text(f"image,mask,split\n{image.name},{mask.name},train\n")
    return path


def our_patches(image: Path, mask: Path, **options: Any) -> SegmentationData:
    """As `unetzoo train` reads the scene."""
    return SegmentationData(
        manifest=manifest(image, mask),
        bands=["red", "green", "blue"],
        classes={"no": 0, "yes": 1},
        normalise={"method": "fixed", "mean": [120.0] * 3, "std": [60.0] * 3},
        patch=[PATCH, PATCH],
        foreground=0.0,
        val_fraction=0.0,
        augment=Augment2d(RECIPE),
        **options,
    )


def unetzoo_reader(image: Path, mask: Path) -> Callable[[int], Iterator[Any]]:
    """Our loader in this process."""
    data = our_patches(image, mask, batch_size=1, samples_per_epoch=100_000, num_workers=0)
    batches = iter(data.train_dataloader())
    return lambda count: (next(batches) for _ in range(count))


def torchgeo_reader(image: Path, mask: Path) -> Callable[[int], Iterator[Any]]:
    """TorchGeo's raster datasets, intersected, and its random sampler."""
    import albumentations
    from torch.utils.data import DataLoader
    from torchgeo.datasets import RasterDataset, stack_samples
    from torchgeo.samplers import RandomGeoSampler

    compose = _compose(albumentations)

    class Images(RasterDataset):  # type: ignore[misc]
        filename_glob = image.name

    class Masks(RasterDataset):  # type: ignore[misc]
        filename_glob = mask.name
        is_image = False

    both = Images(str(image.parent)) & Masks(str(mask.parent))
    both.transforms = lambda sample: _augmented(
        compose, sample["image"].numpy(), np.asarray(sample["mask"]).reshape(PATCH, PATCH)
    )
    sampler = RandomGeoSampler(both, size=PATCH, length=100_000)
    batches = iter(DataLoader(both, batch_size=1, sampler=sampler, collate_fn=stack_samples))
    return lambda count: (next(batches) for _ in range(count))


def plain_reader(image: Path, mask: Path) -> Callable[[int], Iterator[Any]]:
    """A dataset as one writes it: files opened once, a window read, albumentations, a tensor."""
    import albumentations
    from torch.utils.data import DataLoader, Dataset

    compose = _compose(albumentations)

    class Windows(Dataset[dict[str, torch.Tensor]]):
        def __init__(self) -> None:
            self.files = [rasterio.open(path) for path in (image, mask)]
            self.rng = np.random.default_rng(0)

        def __len__(self) -> int:
            return 100_000

        def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
            column, row = (int(n) for n in self.rng.integers(0, self.files[0].width - PATCH, 2))
            window = Window(column, row, PATCH, PATCH)
            x, y = (file.read(window=window) for file in self.files)
            return _augmented(compose, x.astype(np.float32), y[0])

    batches = iter(DataLoader(Windows(), batch_size=1))
    return lambda count: (next(batches) for _ in range(count))


def _compose(albumentations: Any) -> Any:
    return albumentations.Compose(
        [getattr(albumentations, name)(**options) for entry in RECIPE for name, options in entry.items()]
    )


def _augmented(compose: Any, x: np.ndarray, y: np.ndarray) -> dict[str, torch.Tensor]:
    """Transformed on a scale of 0 to 1, then normalised."""
    made = compose(image=np.ascontiguousarray(x.transpose(1, 2, 0)) / np.float32(255), mask=y)
    normalised = (made["image"] * 255 - 120) / 60
    return {
        "image": torch.tensor(normalised.transpose(2, 0, 1).copy()),
        "mask": torch.tensor(np.ascontiguousarray(made["mask"]), dtype=torch.int64),
    }


def rates(image: Path, mask: Path, rounds: int, samples: int) -> None:
    """Print a table of samples per second."""
    makers = {"unetzoo": unetzoo_reader, "torchgeo": torchgeo_reader, "plain": plain_reader}
    readers: dict[str, Callable[[int], Iterator[Any]]] = {}
    for name, maker in makers.items():
        try:
            readers[name] = maker(image, mask)
        except ImportError as error:
            print(f"{name}: left out ({error})")
    found: dict[str, list[float]] = {name: [] for name in readers}
    for _ in range(rounds + 1):  # the first round warms up
        for name, reader in readers.items():
            start = time.perf_counter()
            for _sample in reader(samples):
                pass
            found[name].append(samples / (time.perf_counter() - start))
    medians = {name: statistics.median(values[1:]) for name, values in found.items()}
    print(
        "| reader | samples/s, first round | samples/s, median after it | of unetzoo |\n|---|---:|---:|---:|"
    )
    for name, median in medians.items():
        print(f"| {name} | {found[name][0]:.1f} | {median:.1f} | {median / medians['unetzoo']:.2f} |")


def waiting(image: Path, mask: Path, steps: int) -> None:
    """Print the share of a training step that is spent waiting for the batch."""
    data = our_patches(image, mask, batch_size=8, samples_per_epoch=8 * (steps + 1), num_workers=1)
    model = create_model("unet", encoder="resnet34", in_channels=3, num_classes=2)
    optimiser = torch.optim.AdamW(model.parameters())
    batches = iter(data.train_dataloader())
    waited: list[float] = []
    worked: list[float] = []
    for _ in range(steps + 1):
        start = time.perf_counter()
        batch = next(batches)
        there = time.perf_counter()
        loss: Any = torch.nn.functional.cross_entropy(model(batch["image"]), batch["mask"])
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        waited.append(there - start)
        worked.append(time.perf_counter() - there)
    share = sum(waited[1:]) / (sum(waited[1:]) + sum(worked[1:]))
    step, wait = statistics.median(worked[1:]), statistics.median(waited[1:]) * 1e3
    print(f"step {step:.2f} s, wait {wait:.1f} ms: {share:.2%} of the time")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=6144, help="pixels per side")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--samples", type=int, default=64, help="per reader and round")
    parser.add_argument("--wait", type=int, default=0, metavar="STEPS", help="measure training steps instead")
    parser.add_argument("--folder", type=Path, help="where the scene is kept; default: a temporary folder")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        image, mask = make(folder, arguments.size)
        if arguments.wait:
            waiting(image, mask, arguments.wait)
        else:
            rates(image, mask, arguments.rounds, arguments.samples)


if __name__ == "__main__":
    main()
