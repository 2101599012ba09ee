"""Networks that predict images: trained, measured, applied to files and exported in the target's unit."""

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_module
from hydra.utils import instantiate
from omegaconf import DictConfig

from unetzoo import Predictor, load
from unetzoo.checkpoints import read_checkpoint
from unetzoo.cli import main
from unetzoo.datasets import SegmentationData
from unetzoo.inference import Predictor as Runtime
from unetzoo.inference import read_image
from unetzoo.inference.contract import ClassSpec, DataSpec, ImageTarget, Normalisation
from unetzoo.inference.describe import describe
from unetzoo.losses import PixelError
from unetzoo.onnx_export import export
from unetzoo.regression import RegressionTask
from unetzoo.training import train
from unetzoo.zoo import create_model

Compose = Callable[..., DictConfig]

SPEC = DataSpec(
    ndim=2,
    bands=("cbct",),
    classes=(),
    normalisation=Normalisation("zscore"),
    tile=(16, 16),
    target=ImageTarget(("ct",), mean=(-200.0,), std=(400.0,), value_range=(-1000.0, 1000.0), unit="HU"),
)


def write(path: Path, values: np.ndarray) -> None:
    if path.suffix == ".tif":
        import rasterio

        shape = {"height": values.shape[0], "width": values.shape[1], "count": 1}
        with rasterio.open(path, "w", driver="GTiff", dtype=values.dtype.name, **shape) as file:
            file.write(values, 1)
    else:
        nibabel: Any = import_module("nibabel")
        affine = np.diag([1.0, 1.0, 2.0, 1.0])
        nibabel.save(nibabel.Nifti1Image(values.T, affine), path)


@pytest.fixture(scope="session", params=["2D", "3D"])
def images(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Manifest of images to be brightened: a ball of 500 on -800, in a body that leaves out a border."""
    root = tmp_path_factory.mktemp(f"images{request.param}")
    size, ending = ((20, 22), ".tif") if request.param == "2D" else ((8, 18, 20), ".nii.gz")
    rows = ["image,target,mask,split"]
    for i in range(9):
        rng = np.random.default_rng(i)
        grid = np.indices(size)
        centre = np.array(size).reshape(-1, *[1] * len(size)) / 2 + rng.uniform(-2, 2)
        target = np.where(((grid - centre) ** 2).sum(0) < 25, 500.0, -800.0).astype(np.float32)
        image = (target / 10 + 40 + rng.normal(0, 2, size)).astype(np.float32)
        body = np.zeros(size, np.uint8)
        body[..., 2:-2, 3:-3] = 1
        for kind, values in (("image", image), ("target", target), ("mask", body)):
            write(root / f"{kind}{i}{ending}", values)
        split = "train" if i < 5 else "val" if i < 7 else "test"
        rows.append(f"image{i}{ending},target{i}{ending},mask{i}{ending},{split}")
    (root / "manifest.csv").write_text("\n".join(rows))
    return root


@pytest.fixture
def settings(images: Path, tmp_path: Path) -> list[str]:
    three = images.name.startswith("images3D")
    return [
        "data=manifest",
        f"data.manifest={images}/manifest.csv",
        "data.bands=[cbct]",
        "data.target={bands: [ct], unit: HU}",
        "data.allow=[duplicates]",  # a ball in a box is a ball in a box
        f"data.patch={'[8,16,16]' if three else '[16,16]'}",
        "data.batch_size=3",
        "data.num_workers=0",
        f"augment={'volume' if three else 'light'}",
        "task=regression",
        "loss=multi_window",
        f"model/encoder={'conv3d' if three else 'conv2d'}",
        "model/head=regression",
        "model.encoder.channels=[4,8]",
        "model.deep_supervision=true",
        "optimizer.lr=0.02",
        "trainer.accelerator=cpu",
        "trainer.precision=32-true",
        "trainer.max_epochs=8",
        "logger=none",
        "run_id=run",
        f"paths.runs={tmp_path}",
    ]


@pytest.fixture
def config(settings: list[str]) -> Compose:
    def composed(*overrides: str) -> DictConfig:
        with initialize_config_module("unetzoo.configs", version_base="1.3"):
            return compose("train", overrides=[*settings, *overrides])

    return composed


def test_from_training_to_predicted_files(
    settings: list[str], images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "check", *settings]) == 0
    assert "target      ct, -800 to 500 HU" in capsys.readouterr().out
    assert main(["train", *settings]) == 0
    rows = list(csv.DictReader((tmp_path / "run" / "metrics.csv").open()))
    assert list(rows[0])[3:7] == ["val/loss", "val/mae", "val/psnr", "val/ssim"]
    errors = [float(row["val/mae"]) for row in rows]
    # predicting the mean everywhere is off by some 300 HU
    assert min(errors) < 0.6 * errors[0]

    best = tmp_path / "run" / "checkpoints" / "best.ckpt"
    saved = read_checkpoint(best)["unetzoo"]
    assert saved["metrics"]["val/mae"] == pytest.approx(min(errors), rel=1e-5)
    assert main(["eval", f"ckpt={best}", "split=val"]) == 0
    assert "MAE HU" in capsys.readouterr().out
    summary = json.loads((tmp_path / "run" / "eval" / "val" / "summary.json").read_text())
    # the same cases, tiles and measures as in training
    for name in ("mae", "psnr", "ssim"):
        assert summary["means"][name] == pytest.approx(saved["metrics"][f"val/{name}"], rel=1e-4)

    source = next(images.glob("image8.*"))
    assert main(["predict", f"ckpt={best}", f"inputs={source}", f"out={tmp_path / 'out'}"]) == 0
    written, image = read_image(tmp_path / "out" / source.name), read_image(source)
    assert written.data.dtype == np.float32
    assert written.spacing == image.spacing
    np.testing.assert_array_equal(Predictor(load(best)).values(image), written.data)


def test_nothing_outside_the_body_is_learned_or_measured(config: Compose, images: Path) -> None:
    data: SegmentationData = instantiate(config("augment=none").data)
    sample = data.read(data.cases("train")[0])
    assert sample.target is not None
    outside = np.zeros(sample.target.shape, bool)
    outside[..., :2, :] = outside[..., -2:, :] = outside[..., :3] = outside[..., -3:] = True
    assert (np.isnan(sample.target) == outside).all()
    patch = next(iter(data.train_dataloader()))
    assert patch["target"].dtype == torch.float32
    assert patch["target"].shape == patch["image"].shape


@pytest.mark.parametrize("images", ["2D"], indirect=True)
@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (
            "model/head=multiclass",
            "has target images and the head's activation is softmax; choose model/head",
        ),
        ("task=segmentation", "SegmentationTask does not learn such; choose task=regression"),
        ("data.target=null", "the head predicts an image; choose head=multiclass"),
        ("loss=dice_ce", "is learned with loss=l1 or multi_window"),
        ("model/auxiliary=boundary", "the auxiliary objective 'boundary' learns classes"),
        ("data.classes={a: 0, b: 1}", "data has classes or a target image"),
        ("data.target.bands=[a,b]", "1 band"),
        ("+data.target.max=3", "data.target has the unknown key 'max'"),
    ],
)
def test_what_does_not_go_together_is_refused(config: Compose, wrong: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        train(config(wrong))


@pytest.mark.parametrize("images", ["2D"], indirect=True)
def test_classes_are_no_regression(config: Compose) -> None:
    with pytest.raises(ValueError, match=r"the data has none; set data\.target"):
        train(config("data.target=null", "model/head=multiclass", "loss=dice_ce"))


def small(**options: Any) -> RegressionTask:
    torch.manual_seed(0)
    model = create_model(
        encoder="conv2d",
        head="regression",
        in_channels=1,
        num_classes=1,
        overrides={"encoder.channels": [4, 8], "decoder.channels": [4]},
    )
    return RegressionTask(model, PixelError(), torch.optim.SGD, data=SPEC, **options)


def test_loss_and_metrics_are_in_the_targets_unit() -> None:
    task = small()
    outputs = torch.tensor([[[[0.0, 1.0]]]], dtype=torch.bfloat16)
    values = task.read(outputs)
    assert values.dtype == torch.float32
    assert values.flatten().tolist() == [-200, 200]
    target = np.array([[[-190.0, np.nan]]], np.float32)
    tally = task.tally(1)
    tally.add(values[0].numpy(), target)
    assert tally.values[0] == 10
    assert task.loss(values, torch.from_numpy(target)[None]) == 10


def test_best_is_what_the_monitor_says() -> None:
    assert [small().monitor, small().mode] == ["val/mae", "min"]
    assert small(monitor="val/ssim").mode == "max"
    with pytest.raises(ValueError, match=r"task\.monitor=val/dice is none of val/loss, val/mae"):
        small(monitor="val/dice")


def test_predictor_gives_the_targets_unit_and_no_classes(tmp_path: Path) -> None:
    task = small()
    predictor = Predictor(task.model, SPEC)
    array = np.random.default_rng(0).normal(0, 30, (19, 23)).astype(np.float32)
    array[3, 4] = np.nan
    write(tmp_path / "a.tif", array)
    image = read_image(tmp_path / "a.tif")
    values = predictor.values(image)
    normed = torch.from_numpy(predictor.logits(image))[None]
    assert np.isnan(values[0, 3, 4])
    values[0, 3, 4] = task.read(normed)[0, 0, 3, 4].item()
    np.testing.assert_allclose(values, task.read(normed)[0].numpy(), rtol=1e-5, atol=1e-3)
    with pytest.raises(ValueError, match=r"predicts an image \(ct\) and no classes; call values\(\)"):
        predictor.predict(image)
    with pytest.raises(ValueError, match="leave probabilities false"):
        predictor.predict_file(tmp_path / "a.tif", tmp_path / "b.tif", probabilities=True)
    assert not (tmp_path / "b.tif").exists()


def test_exported_file_gives_the_same_image_and_takes_any_size(tmp_path: Path) -> None:
    model = small().model
    runtime = Runtime.from_onnx(export(model, tmp_path / "model.onnx", data=SPEC, dynamic=True))
    assert (runtime.contract.activation, runtime.contract.data) == ("none", SPEC)
    assert "gives          an image with 1 band(s) in HU: ct" in describe(runtime.contract)
    write(tmp_path / "a.tif", np.random.default_rng(0).normal(0, 30, (19, 23)).astype(np.float32))
    image = read_image(tmp_path / "a.tif")
    # HU; the file may differ by 1e-4 of the largest logit, and a logit is 400 HU
    np.testing.assert_allclose(runtime.values(image), Predictor(model, SPEC).values(image), atol=0.1)
    assert runtime.network(np.zeros((1, 1, 10, 26), np.float32)).shape == (1, 1, 10, 26)


def test_an_image_has_a_scale_and_classes_have_no_key_for_it() -> None:
    assert DataSpec.from_dict(json.loads(json.dumps(SPEC.to_dict()))) == SPEC
    classes = replace(SPEC, target=None, classes=(ClassSpec("a", (0,), (0, 0, 0)),))
    assert "target" not in classes.to_dict()
    with pytest.raises(ValueError, match="need a mean and a positive std each"):
        ImageTarget(("ct",), (0.0,), (0.0,), (0.0, 1.0))
    with pytest.raises(ValueError, match="must go upwards"):
        ImageTarget(("ct",), (0.0,), (1.0,), (1.0, 1.0))
