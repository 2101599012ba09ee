"""Samples of the public sets, made and prepared once for all tests of this folder."""

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from unetzoo.datasets.datamodule import SegmentationData

ROOT = Path(__file__).parents[2]


def _scripts(folder: str, script: str) -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "data" / folder / script))


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], tuple[Path, Path]]:
    """Makes a sample of a folder in a layout and prepares it; gives the raw folder and the prepared one."""
    made: dict[tuple[str, str], tuple[Path, Path]] = {}

    def make(folder: str, layout: str) -> tuple[Path, Path]:
        if (folder, layout) not in made:
            raw, out = (tmp_path_factory.mktemp(layout.split()[0]) / kind for kind in ("raw", "out"))
            assert _scripts(folder, "make_sample.py")["main"]([str(raw), "--layout", layout]) == 0
            assert _scripts(folder, "prepare.py")["main"]([str(raw), "--out", str(out)]) == 0
            made[folder, layout] = raw, out
        return made[folder, layout]

    return make


@pytest.fixture(scope="session")
def loaded() -> Callable[[str, Path], SegmentationData]:
    """The data module of a layout's config for a prepared folder."""

    def load(layout: str, out: Path) -> SegmentationData:
        data = instantiate(_config(layout.split()[0]).data, root=out, num_workers=0)
        assert isinstance(data, SegmentationData)
        return data

    return load


def _config(name: str) -> DictConfig:
    """The data config, merged by hand: composing with Hydra costs more than reading a sample."""
    config = OmegaConf.create({"paths": {"data": "."}, "seed": 0, "augment": None})
    chain: list[Any] = []
    while name:
        chain.insert(0, OmegaConf.load(ROOT / "configs" / "data" / f"{name}.yaml"))
        name = chain[0].pop("defaults", [""])[0]
    config["data"] = OmegaConf.merge(*chain)
    return config
