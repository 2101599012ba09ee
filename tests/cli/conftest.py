"""A tiny set of images, and a run trained on it, made once for all tests of the command line."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unetzoo.cli import main

TINY = [
    "data=folder",
    "data.images=images",
    "data.masks=masks",
    "data.patch=[16,16]",
    "data.num_workers=0",
    "model/encoder=conv2d",
    "model.encoder.channels=[4,8]",
    "trainer=cpu",
    "trainer.max_epochs=1",
    "logger=none",
    "run_id=tiny",
]


def write_set(folder: Path, count: int = 6) -> None:
    """Grey images with one bright square each, and masks with ids 0 and 1."""
    rng = np.random.default_rng(0)
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for index in range(count):
        mask = np.zeros((24, 24), np.uint8)
        mask[4 + index : 14 + index, 5:15] = 1
        image = mask * 90 + rng.integers(0, 60, mask.shape)
        Image.fromarray(image.astype(np.uint8)).save(folder / "images" / f"c{index}.png")
        Image.fromarray(mask).save(folder / "masks" / f"c{index}.png")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images, masks, and runs/tiny with checkpoints and model.onnx."""
    folder = tmp_path_factory.mktemp("trained")
    write_set(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["train", *TINY]) == 0
        assert main(["export", "ckpt=runs/tiny/checkpoints/best.ckpt"]) == 0
    return folder


@pytest.fixture
def work(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh copy of it as the working directory."""
    folder = tmp_path / "work"
    shutil.copytree(trained, folder)
    monkeypatch.chdir(folder)
    return folder
