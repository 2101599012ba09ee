"""Made-up sets, small and written on the spot."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from unetzoo.datasets.datamodule import SegmentationData


def blob(size: tuple[int, int], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A noisy grey picture with one bright rectangle, and the rectangle."""
    rng = np.random.default_rng(seed)
    mask = np.zeros(size, bool)
    y, x = (int(rng.integers(2, n - 10)) for n in size)
    mask[y : y + 7, x : x + 6] = True
    return (rng.integers(20, 60, size) + 150 * mask).astype(np.uint8), mask


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """images/ and masks/ with ten grey pictures of 40 x 48 px, masks 0/255."""
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
    for i in range(10):
        picture, mask = blob((40, 48), i)
        Image.fromarray(picture).save(tmp_path / "images" / f"p{i // 2}_{i % 2}.png")
        Image.fromarray(mask.astype(np.uint8) * 255).save(tmp_path / "masks" / f"p{i // 2}_{i % 2}.png")
    return tmp_path


@pytest.fixture
def data(folder: Path) -> Callable[..., SegmentationData]:
    """The data module of the folder, with any other arguments."""

    def make(**options: Any) -> SegmentationData:
        defaults: dict[str, Any] = {"root": folder, "images": "images", "masks": "masks"}
        return SegmentationData(**{**defaults, "patch": [32, 32], "batch_size": 2, **options})

    return make
