"""A set of tiny pictures, and the composed config of a run on it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_module
from omegaconf import DictConfig
from PIL import Image

Compose = Callable[..., DictConfig]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
    torch.use_deterministic_algorithms(False)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with images/ and masks/: bright discs on noise, 13 pictures of different sizes."""
    root = tmp_path_factory.mktemp("pictures")
    for name in ("images", "masks"):
        (root / name).mkdir()
    for i in range(13):
        rng = np.random.default_rng(i)
        height, width = 24 + 3 * (i % 3), 24 + 5 * (i % 2)
        y, x = np.mgrid[:height, :width]
        centre = rng.uniform(8, 16, 2)
        disc = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < rng.uniform(4, 8) ** 2
        image = np.clip(60 + 90 * disc + rng.normal(0, 25, disc.shape), 0, 255).astype(np.uint8)
        Image.fromarray(image).save(root / "images" / f"p{i:02}.png")
        Image.fromarray(disc.astype(np.uint8) * 255).save(root / "masks" / f"p{i:02}.png")
    return root


@pytest.fixture
def settings(pictures: Path, tmp_path: Path) -> list[str]:
    """Overrides of ``unetzoo train`` for a run of a second or two in ``tmp_path/run``."""
    return [
        "data=folder",
        f"data.images={pictures / 'images'}",
        f"data.masks={pictures / 'masks'}",
        "data.bands=1",
        "data.classes={background: 0, disc: 255}",
        "data.patch=[16,16]",
        "data.batch_size=3",
        "data.num_workers=0",
        "data.val_fraction=0.4",
        "data.test_fraction=0",
        "model/encoder=conv2d",
        "model.encoder.channels=[4,8]",
        "optimizer.lr=0.02",
        "trainer.accelerator=cpu",
        "trainer.precision=32-true",
        "trainer.max_epochs=3",
        "logger=none",
        "run_id=run",
        f"paths.runs={tmp_path}",
    ]


@pytest.fixture
def config(settings: list[str]) -> Compose:
    """Compose the run with further overrides."""

    def composed(*overrides: str) -> DictConfig:
        with initialize_config_module("unetzoo.configs", version_base="1.3"):
            return compose("train", overrides=[*settings, *overrides])

    return composed
