"""A large scene is validated in bands of rows, with the numbers that it has as a whole."""

import pickle
import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig
from tests.training.test_task import assert_metrics_are_those_of_the_weights
from torch import Tensor, nn

from unetzoo.datasets import SegmentationData, scenes
from unetzoo.inference.contract import IGNORE
from unetzoo.inference.tiling import predict_tiled
from unetzoo.inference.windows import Network, starts
from unetzoo.losses import CrossEntropy, Dice, PixelError
from unetzoo.regression import RegressionTask
from unetzoo.scene_rows import Scene, predict_scene
from unetzoo.task import SegmentationTask, Task
from unetzoo.training import train
from unetzoo.unsupervised import UnsupervisedTask
from unetzoo.zoo import create_model

Compose = Callable[..., DictConfig]
Make = Callable[..., SegmentationData]

TILE, WIDTH = (16, 16), 50
PLACE = {name: rasterio.Affine(2, 0, place, 0, -2, place) for name, place in (("a", 0), ("b", 5000))}


class Arrays:
    """A scene that is in memory."""

    def __init__(self, x: np.ndarray, mask: np.ndarray) -> None:
        self.x, self.mask = x, mask

    @property
    def size(self) -> tuple[int, ...]:
        return self.x.shape[1:]

    def rows(self, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        return self.x[:, first:last].copy(), self.mask[..., first:last, :].copy()


def labelled(mask: Tensor) -> Tensor:
    return mask != IGNORE


def predicted(network: Network, scene: Scene, compare: Callable[..., None], **options: Any) -> None:
    how: dict[str, Any] = {"channels": 1, "known": labelled, "shown": lambda image, target: image}
    predict_scene(
        network, scene, compare, **{**how, "tile": TILE, "overlap": 0.25, "batch_size": 4, **options}
    )


def blurred(batch: np.ndarray) -> np.ndarray:
    """Two channels that depend on a pixel's neighbours and on where it is in its tile."""
    return np.stack([np.roll(batch[:, 0], 1, -1) + batch[:, 0], batch[:, 0].cumsum(-2)], 1)


@settings(deadline=None, derandomize=True, max_examples=40)
@given(
    st.tuples(st.integers(16, 70), st.integers(16, 50)),
    st.floats(0, 0.7),
    st.integers(1, 5),
    st.sampled_from([1, 3]),
    st.integers(0, 99),
)
def test_bands_follow_each_other_and_hold_what_tiles_of_the_whole_say(
    size: tuple[int, int], overlap: float, batch_size: int, layers: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(1, *size)).astype(np.float32)
    mask = np.full((layers, *size), IGNORE, np.uint8)
    for _ in range(3):  # labels here and there
        top, left = (int(rng.integers(0, n)) for n in size)
        mask[int(rng.integers(layers)), top : top + 9, left : left + 9] = 1
    mask = mask if layers > 1 else mask[0]
    whole = predict_tiled(blurred, x, tile=TILE, overlap=overlap)
    counts = (mask != IGNORE).reshape(-1, *size).any(0)
    row = 0

    def compare(logits: np.ndarray, found: Tensor) -> None:
        nonlocal row
        band = slice(row, row + logits.shape[1])
        assert np.array_equal(mask[..., band, :], found)
        np.testing.assert_allclose(logits[:, counts[band]], whole[:, band][:, counts[band]], rtol=1e-6)
        row = band.stop

    predicted(blurred, Arrays(x, mask), compare, channels=2, overlap=overlap, batch_size=batch_size)
    assert row == size[0]


def test_network_is_not_asked_about_tiles_without_a_label() -> None:
    mask = np.full((160, 160), IGNORE, np.uint8)
    x = np.zeros((1, 160, 160), np.float32)
    calls: list[int] = []

    def network(batch: np.ndarray) -> np.ndarray:
        calls.append(len(batch))
        return batch

    predicted(network, Arrays(x, mask), lambda *_: None, overlap=0)
    assert not calls
    mask[100, 100] = 1
    predicted(network, Arrays(x, mask), lambda *_: None, overlap=0)
    assert calls == [1]


@pytest.mark.parametrize("layers", [None, 2])
def test_what_is_held_is_a_few_bands_whatever_the_height(layers: int | None) -> None:
    height, width = 4096, 512

    class Made(Arrays):
        @property
        def size(self) -> tuple[int, ...]:
            return height, width

        def rows(self, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
            shape = (last - first, width)
            return np.ones((1, *shape), np.float32), np.ones((layers, *shape) if layers else shape, np.uint8)

    scene = Made(np.empty(0), np.empty(0))
    tracemalloc.start()
    predicted(lambda b: b, scene, lambda *_: None, tile=(32, width), batch_size=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    band = 32 * width * 4  # bytes
    assert peak < 16 * band < height * width * 4 / 4


def scene_set(folder: Path, *, multilabel: bool = False, classes: int = 3) -> SegmentationData:
    """Scenes of 61 x 50 px and parts of them, with a strip without data and a corner without labels."""
    rng = np.random.default_rng(0)
    (folder / "images").mkdir()
    (folder / "masks").mkdir()
    rows = ["image,mask,split,name,window"]
    for name in ("a", "b"):
        image = rng.integers(1, 4000, (1, 61, WIDTH)).astype(np.uint16)
        image[:, :, 43:] = 0
        values = 2 if multilabel else classes
        mask = rng.integers(0, values, (3 if multilabel else 1, 61, WIDTH)).astype(np.uint8)
        mask[:, 20:, :30] = 9
        for kind, array in (("images", image), ("masks", mask)):
            options = {"driver": "GTiff", "height": 61, "width": WIDTH, "dtype": array.dtype}
            options |= {"nodata": 0 if kind == "images" else None, "count": len(array)}
            with rasterio.open(
                folder / kind / f"{name}.tif",
                "w",
                transform=PLACE[name],
                **options,
            ) as file:
                file.write(array)
        rows += [f"images/{name}.tif,masks/{name}.tif,{'train' if name == 'a' else 'val'},{name},"]
    rows += ["images/b.tif,masks/b.tif,val,part,5 3 40 41"]
    (folder / "m.csv").write_text("\n".join(rows))
    names = ["no", "yes", "rare"][:classes]
    return SegmentationData(
        root=folder,
        manifest="m.csv",
        classes=names if multilabel else {name: i for i, name in enumerate(names)},
        ignore_index=9,
        multilabel=multilabel,
        normalise={"method": "zscore"},
        patch=TILE,
        bands=1,
    )


def segmentation(head: str, loss: nn.Module, data: SegmentationData) -> SegmentationTask:
    torch.manual_seed(0)
    model = create_model(
        "unet",
        encoder="conv2d",
        head=head,
        in_channels=1,
        num_classes=len(data.spec.classes),
        overrides={"encoder.channels": [4, 8]},
    )
    return SegmentationTask(model, loss, torch.optim.AdamW, data=data.spec)


def validated(task: Task, data: SegmentationData) -> list[tuple[float, ...]]:
    """What validation finds of the cases of the loader."""
    task.eval()
    task.cases = []
    with torch.inference_mode():
        for index, batch in enumerate(data.val_dataloader()):
            task.validation_step(batch, index)
    return task.cases


def as_scenes(data: SegmentationData, patch: pytest.MonkeyPatch) -> SegmentationData:
    """The same data where every raster is large."""
    patch.setattr(scenes, "LARGE", 1)
    data._reader._kept.clear()
    data._reader._scenes.clear()
    assert all(list(batch) == ["scene", "case"] for batch in data.val_dataloader())
    return data


@pytest.mark.parametrize("head", ["multiclass", "binary", "multilabel"])
def test_scenes_have_the_numbers_of_whole_cases(
    head: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = scene_set(tmp_path, multilabel=head == "multilabel", classes=2 if head == "binary" else 3)
    loss = CrossEntropy(activation="softmax" if head == "multiclass" else "sigmoid")
    task = segmentation(head, loss, data)
    whole = validated(task, data)
    rows = validated(task, as_scenes(data, monkeypatch))
    assert len(rows) == 2
    assert [dice for _, dice in rows] == [dice for _, dice in whole]
    # a mean over pixels, added up band by band
    assert [loss for loss, _ in rows] == pytest.approx([loss for loss, _ in whole], rel=1e-6)


def test_loss_of_a_scene_is_the_mean_over_bands_by_their_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = scene_set(tmp_path)
    task = segmentation("multiclass", Dice(activation="softmax"), data)
    sample = data.read(data.cases("val")[0])
    with torch.inference_mode():
        logits = torch.from_numpy(predict_tiled(task.eval().tiles, sample.x, tile=TILE))
    mask = torch.from_numpy(sample.mask).long()
    cuts = [*starts(61, TILE[0], task.overlap), 61]
    bands = [slice(a, b) for a, b in pairwise(cuts)]
    losses = [task.loss(logits[None, :, band], mask[None, band]).item() for band in bands]
    labels = [int((mask[band] != IGNORE).sum()) for band in bands]
    ((found, _), _) = validated(task, as_scenes(data, monkeypatch))
    assert found == pytest.approx(np.average(losses, weights=labels), rel=1e-6)
    assert found != pytest.approx(task.loss(logits[None], mask[None]).item(), rel=1e-5)


def test_scene_without_a_label_has_no_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = scene_set(tmp_path)
    with rasterio.open(tmp_path / "masks" / "b.tif", "r+") as file:
        file.write(np.full((1, 61, WIDTH), 9, np.uint8))
    task = segmentation("multiclass", CrossEntropy(activation="softmax"), data)
    assert validated(task, data) == validated(task, as_scenes(data, monkeypatch)) == []


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_predicted_images_of_scenes_have_the_errors_of_the_whole(
    norm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene_set(tmp_path)
    rng = np.random.default_rng(1)
    for name in ("a", "b"):
        target = rng.normal(0, 100, (2, 61, WIDTH)).cumsum(2).astype(np.float32)
        target[0, 30:50, :40] = np.nan  # rows that windows of SSIM and whole tiles lie in
        options = {"driver": "GTiff", "height": 61, "width": WIDTH, "dtype": "float32", "count": 2}
        with rasterio.open(tmp_path / f"{name}.tif", "w", transform=PLACE[name], **options) as file:
            file.write(target)
    rows = [("a", "train", "a", ""), ("b", "val", "b", ""), ("b", "val", "part", "5 3 40 41")]
    lines = [f"images/{i}.tif,{i}.tif,masks/{i}.tif,{split},{name},{w}" for i, split, name, w in rows]
    (tmp_path / "m.csv").write_text("\n".join(["image,target,mask,split,name,window", *lines]))
    data = SegmentationData(
        root=tmp_path, manifest="m.csv", target={}, normalise={"method": "zscore"}, patch=TILE, bands=1
    )
    torch.manual_seed(0)
    small = {"encoder.channels": [4, 8]}
    model = create_model(
        "unet", encoder="conv2d", head="regression", in_channels=1, num_classes=2, overrides=small
    )
    task = RegressionTask(model, PixelError(norm=norm), torch.optim.AdamW, data=data.spec)
    whole = validated(task, data)
    found = validated(task, as_scenes(data, monkeypatch))
    assert len(found) == 2
    np.testing.assert_allclose(found, whole, rtol=1e-6)


def test_training_without_labels_sees_the_same_tiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = scene_set(tmp_path)
    torch.manual_seed(0)
    small = {"encoder.channels": [4, 8], "encoder.block": None}
    model = create_model("w_net", encoder="conv2d", in_channels=1, num_classes=3, overrides=small)
    task = UnsupervisedTask(model, None, torch.optim.AdamW, data=data.spec)
    whole = validated(task, data)
    assert len(whole) == 2
    assert validated(task, as_scenes(data, monkeypatch)) == whole


def test_a_network_that_is_shown_masks_is_shown_those_of_a_scene(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = scene_set(tmp_path)
    task = segmentation("multiclass", CrossEntropy(activation="softmax"), data)
    monkeypatch.setattr(task.model, "shown", lambda _, target: (target == 1).float().unsqueeze(1))
    whole, rows = validated(task, data), validated(task, as_scenes(data, monkeypatch))
    assert np.array(rows) == pytest.approx(np.array(whole), rel=1e-6)


def test_scene_is_sent_to_another_process_without_what_it_holds(tmp_path: Path) -> None:
    data = scene_set(tmp_path)
    scene = scenes.Scene(data.cases("val")[0], data.spec, lambda size: True)
    whole = scene.read((slice(0, 61), slice(0, WIDTH)))
    assert scene._kept
    sent = pickle.dumps(scene)
    assert len(sent) < 4096 < whole[0].nbytes
    for found, expected in zip(pickle.loads(sent).rows(0, 61), whole, strict=True):
        assert np.array_equal(found, expected)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_run_on_scenes_logs_what_the_whole_says(
    config: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setattr(scenes, "LARGE", 1)
    scene_set(tmp_path)
    cfg = config(
        "data=manifest",
        f"data.root={tmp_path}",
        "data.manifest=m.csv",
        "data.bands=1",
        "data.classes={background: 0, disc: [1, 2]}",
        "data.ignore_index=9",
        "data.images=null",
        "data.masks=null",
        "+data.allow=[neighbours]",
        f"data.num_workers={workers}",
        "loss=ce",
        "trainer.max_epochs=1",
    )
    assert_metrics_are_those_of_the_weights(cfg, train(cfg))
