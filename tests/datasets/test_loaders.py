"""Batches: shapes and types, the same whatever the workers, and never a way to harm what is cached."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from PIL import Image

from unetzoo.datasets.augment import Augment2d
from unetzoo.datasets.datamodule import SegmentationData

Make = Callable[..., SegmentationData]
RECIPE: list[dict[str, Any]] = [
    {"D4": {"p": 1}},
    {"Affine": {"rotate": [-20, 20], "p": 0.7}},
    {"GaussNoise": {"p": 0.5}},
]


def epoch(data: SegmentationData, number: int = 0) -> list[dict[str, Any]]:
    loader: Any = data.train_dataloader()
    loader.sampler.set_epoch(number)
    return list(loader)


def same(a: list[dict[str, Any]], b: list[dict[str, Any]]) -> bool:
    return len(a) == len(b) and all(
        x["case"] == y["case"] and torch.equal(x["image"], y["image"]) and torch.equal(x["mask"], y["mask"])
        for x, y in zip(a, b, strict=True)
    )


def test_shapes_and_types(data: Make) -> None:
    loaders = data()
    batch = epoch(loaders)[0]
    assert (batch["image"].shape, batch["image"].dtype) == ((2, 1, 32, 32), torch.float32)
    assert (batch["mask"].shape, batch["mask"].dtype) == ((2, 32, 32), torch.int64)
    assert len(batch["case"]) == 2
    whole: Any = list(loaders.val_dataloader())
    assert [b["image"].shape for b in whole] == [(1, 1, 40, 48)] * len(loaders.cases("val"))
    assert [b["case"] for b in whole] == [[c.name] for c in loaders.cases("val")]
    assert whole[0]["mask"].shape == (1, 40, 48)


@pytest.mark.parametrize("cache", [True, False])
def test_workers_do_not_change_the_batches(data: Make, cache: bool) -> None:
    def run(workers: int) -> list[list[dict[str, Any]]]:
        loaders = data(augment=Augment2d(RECIPE), num_workers=workers, cache=cache)
        return [epoch(loaders, 0), epoch(loaders, 1), epoch(loaders, 0)]

    alone, one, two = run(0), run(1), run(2)
    assert all(same(a, b) and same(a, c) for a, b, c in zip(alone, one, two, strict=True))
    assert same(alone[0], alone[2])
    assert not same(alone[0], alone[1])


def test_split_of_a_run_does_not_depend_on_its_seed(data: Make) -> None:
    a, b = data(seed=0), data(seed=1)
    assert a.cases("val") == b.cases("val")
    assert not same(epoch(a), epoch(b))
    assert a.cases("val") != data(split_seed=5).cases("val")


def test_groups_stay_together_from_the_name(data: Make) -> None:
    grouped = data(group=r"^p(\d)", val_fraction=0.2, test_fraction=0.2)
    names = {split: {c.name[:2] for c in grouped.cases(split)} for split in ("train", "val", "test")}
    assert sorted(map(len, names.values())) == [1, 1, 3]
    assert not names["train"] & names["val"] | names["train"] & names["test"] | names["val"] & names["test"]


def test_cases_smaller_than_the_patch_are_mirrored_with_their_mask(data: Make) -> None:
    batch = epoch(data(patch=[64, 64], normalise={"method": "minmax"}))[0]
    assert batch["image"].shape == (2, 1, 64, 64)
    assert ((batch["image"][:, 0] > 0.5) == (batch["mask"] == 1)).all()


def test_patches_and_masks_are_cut_at_the_same_place(data: Make) -> None:
    for batch in epoch(data(normalise={"method": "minmax"}, samples_per_epoch=20)):
        assert ((batch["image"][:, 0] > 0.5) == (batch["mask"] == 1)).all()


def test_writing_into_a_batch_does_not_reach_the_cache(data: Make) -> None:
    loaders = data(patch=[40, 48])
    before = epoch(loaders)
    copies = [{k: v.clone() if torch.is_tensor(v) else v for k, v in b.items()} for b in before]
    for batch in before:
        batch["image"].zero_()
        batch["mask"].fill_(9)
    assert same(epoch(loaders), copies)


def test_files_are_read_once_while_the_cache_holds(data: Make, folder: Path) -> None:
    loaders = data()
    first = epoch(loaders)
    drawn = {name for batch in first for name in batch["case"]}
    for name in drawn:
        (folder / "images" / f"{name}.png").write_bytes(b"gone")
    assert same(epoch(loaders), first)
    small = data(cache_gb=1e-9)
    with pytest.raises((ValueError, OSError)):
        epoch(small)


def test_parts_can_be_sent_to_spawned_workers(data: Make) -> None:
    loaders = data(augment=Augment2d(RECIPE))
    first = epoch(loaders)
    dataset: Any = pickle.loads(pickle.dumps(loaders.train_dataloader().dataset))
    assert not dataset.reader._kept
    sampler: Any = loaders.train_dataloader().sampler
    draw = next(iter(sampler))
    assert torch.equal(dataset[draw]["image"], first[0]["image"][0])


def test_set_for_testing_only_needs_no_training_images(data: Make) -> None:
    loaders = data(val_fraction=0, test_fraction=1)
    assert len(loaders.cases("test")) == 10
    assert [c.ids for c in loaders.spec.classes] == [(0,), (255,)]
    with pytest.raises(ValueError, match="split train of data is empty"):
        loaders.train_dataloader()


def test_default_patch_is_the_median_image_rounded_up(data: Make) -> None:
    assert data(patch=None).spec.tile == (64, 64)


def test_bad_arguments_are_named(data: Make) -> None:
    with pytest.raises(ValueError, match=r"data\.foreground=2"):
        data(foreground=2)
    with pytest.raises(ValueError, match=r"data\.batch_size=0"):
        data(batch_size=0)
    with pytest.raises(ValueError, match=r"data\.ndim=4"):
        data(ndim=4)
    with pytest.raises(ValueError, match=r"data\.ndim=3, but the images of data are 2D"):
        _ = data(ndim=3).spec
    with pytest.raises(ValueError, match=r"data\.patch=\[8, 8, 8\] has 3 sizes, but the images are 2D"):
        _ = data(patch=[8, 8, 8]).spec
    with pytest.raises(ValueError, match="unknown key 'methd'"):
        _ = data(normalise={"methd": "zscore"}).spec
    with pytest.raises(ValueError, match="split 'dev' is none of"):
        data().cases("dev")
    with pytest.raises(ValueError, match="split val of data is empty"):
        data(val_fraction=0).val_dataloader()
    with pytest.raises(FileNotFoundError, match="nowhere: does not exist"):
        data(root="nowhere").cases("train")
    with pytest.raises(ValueError, match=r"or data\.manifest, must say where"):
        data(images=None).cases("train")
    with pytest.raises(ValueError, match="both set"):
        data(manifest="manifest.csv", root=None).cases("train")


class _Probe(LightningModule):
    """Records what Lightning feeds it."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen: list[torch.Tensor] = []

    def training_step(self, batch: dict[str, Any], _: int) -> torch.Tensor:
        self.seen.append(batch["image"].clone())
        loss: torch.Tensor = self.weight * batch["image"].mean()
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.0)


def test_lightning_advances_the_epoch(data: Make, tmp_path: Path) -> None:
    probe, loaders = _Probe(), data()
    Trainer(
        max_epochs=2,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=tmp_path,
        limit_val_batches=0,
    ).fit(probe, datamodule=loaders)
    expected = [b["image"] for number in (0, 1) for b in epoch(data(), number)]
    assert all(torch.equal(a, b) for a, b in zip(probe.seen, expected, strict=True))


def test_picture_of_another_size_per_case(data: Make, folder: Path) -> None:
    Image.fromarray(np.zeros((20, 90), np.uint8)).save(folder / "images" / "p0_0.png")
    Image.fromarray(np.zeros((20, 90), np.uint8)).save(folder / "masks" / "p0_0.png")
    assert {b["image"].shape for b in epoch(data(samples_per_epoch=20))} == {(2, 1, 32, 32)}
