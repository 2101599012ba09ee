"""The three public sets, where they are there: every file is readable and the facts of their cards hold."""

from pathlib import Path
from typing import Any

import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from unetzoo.datasets.datamodule import SegmentationData

ROOT = Path(__file__).parents[2]
SETS = ROOT.parent / "shared" / "data"


def load(name: str, **options: Any) -> SegmentationData:
    if not (SETS / name).is_dir():
        pytest.skip(f"the set {name} is not in {SETS}")
    configs = ROOT / "configs" / "data"
    config = OmegaConf.create({"paths": {"data": str(SETS)}, "seed": 0, "augment": None})
    config["data"] = OmegaConf.merge(
        OmegaConf.load(configs / "folder.yaml"), OmegaConf.load(configs / f"{name}.yaml")
    )
    del config["data"]["defaults"]
    data = instantiate(config.data, **options)
    assert isinstance(data, SegmentationData)
    return data


def counts(data: SegmentationData) -> list[int]:
    return [len(data.cases(split)) for split in ("train", "val", "test")]


def test_dsb2018_nuclei() -> None:
    data = load("dsb2018_nuclei")
    assert counts(data) == [158, 23, 45]
    assert data.spec.bands == ("red", "green", "blue")
    sample = data.read(data.cases("test")[0])
    assert sample.x.shape[0] == 3
    assert set(sample.mask.ravel().tolist()) == {0, 1}


def test_hippocampus_msd() -> None:
    data = load("hippocampus_msd", num_workers=0, samples_per_epoch=8)
    assert counts(data) == [182, 26, 52]
    assert (data.spec.ndim, data.spec.unit) == (3, "mm")
    assert data.spec.spacing == pytest.approx((1, 1, 1))
    batch = next(iter(data.train_dataloader()))
    assert batch["image"].shape == (4, 1, 40, 56, 40)
    assert abs(float(batch["image"].mean())) < 0.5


def test_fair_kampala_cuts_val_by_columns_and_leaves_test() -> None:
    data = load("fair_kampala")
    assert counts(data) == [64, 16, 32]
    columns = {split: {case.group for case in data.cases(split)} for split in ("train", "val", "test")}
    assert columns["test"] == {"1238456", "1238457", "1238458", "1238459"}
    assert not columns["train"] & columns["val"]
    assert data.spec.unit == "m"
    assert data.spec.spacing == pytest.approx((0.0746, 0.0746), rel=1e-2)


def test_chase_db1_pairs_by_an_ending_no_one_told_of() -> None:
    root = SETS / "chase_db1"
    if not root.is_dir():
        pytest.skip(f"the set chase_db1 is not in {SETS}")
    data = SegmentationData(
        root=root,
        images="images",
        masks="masks",
        splits="splits.json",
        group=r"Image_(\d+)",
        val_fraction=0.2,
    )
    assert counts(data) == [16, 4, 8]
    assert "Image_11L_1stHO.png" in {case.mask.name for case in data.cases("test") if case.mask}
