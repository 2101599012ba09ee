"""A plan follows the fingerprint, says why, and is a file that Hydra composes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from PIL import Image

from unetzoo.cli import main
from unetzoo.datasets.case import Case
from unetzoo.datasets.statistics import Fingerprint, fingerprint, moments
from unetzoo.inference.contract import ClassSpec, DataSpec, Normalisation
from unetzoo.planning import plan, render

ROOT = Path(__file__).parents[1]


def found(**changes: Any) -> Fingerprint:
    """Hippocampi: small volumes of 1 mm whose grey values differ by orders of magnitude."""
    values: dict[str, Any] = {
        "cases": 182,
        "smallest": (24, 40, 31),
        "median": (36, 50, 35),
        "largest": (47, 59, 43),
        "spacing": (1.0, 1.0, 1.0),
        "spacing_range": (1.0, 1.0, 1.0),
        "eight_bit": False,
        "value_range": (0.0, 1.7e6),
        "drift": 2.0,
        "contrast": 1e4,
        "pixels": 182 * 36 * 50 * 35,
        "shares": {"background": 0.95, "anterior": 0.03, "posterior": 0.02},
        "present": {"background": 1.0, "anterior": 1.0, "posterior": 1.0},
    }
    return Fingerprint(**{**values, **changes})


def spec(ndim: int = 3, classes: int = 3, unit: str = "mm") -> DataSpec:
    names = ("background", "anterior", "posterior")[:classes]
    return DataSpec(
        ndim=ndim,
        bands=("t1",),
        classes=tuple(ClassSpec(name, (i,), (0, 0, 0)) for i, name in enumerate(names)),
        normalisation=Normalisation("zscore"),
        tile=(16,) * ndim,
        unit=unit,
    )


def settings(
    changed: Fingerprint, about: DataSpec, *, memory: float = 8e9, gpu: bool = False
) -> dict[str, Any]:
    return {line.key: line.value for line in plan(changed, about, memory=memory, gpu=gpu)}


def test_plan_for_the_hippocampus_is_the_experiment_written_by_hand(tmp_path: Path) -> None:
    lines = plan(found(), spec(), memory=8e9, gpu=False)
    text = render(lines, data="hippocampus_msd", given=[], run_id="planned", header="planned")
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "planned.yaml").write_text(text)
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        ours = compose("train", ["experiment=hippocampus_msd"])
        search = f"hydra.searchpath=[file://{tmp_path}]"
        theirs = compose("train", ["experiment=planned", search])
    for key in ("augment", "loss", "optimizer", "scheduler", "task", "model.encoder", "model.head"):
        assert OmegaConf.select(theirs, key) == OmegaConf.select(ours, key), key
    for key in ("patch", "batch_size", "foreground", "normalise"):
        assert theirs.data[key] == ours.data[key]
    decoders = [OmegaConf.to_container(cfg.model.decoder) for cfg in (ours, theirs)]
    widths = [decoder.pop("channels")[:3] for decoder in decoders if isinstance(decoder, dict)]
    assert widths[0] == widths[1]
    assert decoders[0] == decoders[1]


def test_every_line_has_a_reason_beside_it() -> None:
    lines = plan(found(), spec(), memory=8e9, gpu=True)
    given = [("data.root", "a b: c"), ("data.classes", {"z": 1, "a": [2, 3]})]
    text = render(lines, data="folder", given=given, run_id="p", header="what it is")
    assert yaml.safe_load(text)["data"]["root"] == "a b: c"
    assert list(yaml.safe_load(text)["data"]["classes"]) == ["z", "a"], "the order of classes is their number"
    for line in lines:
        assert line.reason
        assert any(
            line.reason in row and f"{line.key.split('.')[-1].split('/')[-1]}:" in row
            for row in text.splitlines()
        )


def test_little_memory_takes_smaller_batches() -> None:
    sizes = [settings(found(), spec(), memory=m, gpu=True)["data.batch_size"] for m in (5e8, 1e9, 1e11)]
    assert sizes == sorted(sizes)
    assert sizes[0] == 2
    assert sizes[-1] > 2


@pytest.mark.parametrize("seed", range(20))
def test_patch_is_divided_by_the_strides_and_no_more_than_the_image(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ndim = 2 + seed % 2
    median = tuple(int(n) for n in rng.integers(8, 900 if ndim == 2 else 200, ndim))
    spacing = tuple(float(s) for s in rng.uniform(0.5, 6, ndim))
    chosen = settings(
        found(median=median, spacing=spacing, spacing_range=(1.0,) * ndim),
        spec(ndim),
        gpu=bool(rng.integers(2)),
    )
    patch, rows = chosen["data.patch"], len(chosen["model.encoder.channels"])
    strides = chosen.get("model.encoder.strides", [[2**i] * ndim for i in range(rows)])
    assert all(p % s == 0 and p // s >= 4 for p, s in zip(patch, strides[-1], strict=True))
    assert all(p <= max(16, n + 7) for p, n in zip(patch, median, strict=True))


def test_thick_slices_are_halved_last() -> None:
    thick = settings(found(median=(16, 128, 128), spacing=(5.0, 1.0, 1.0)), spec(), gpu=True)
    assert thick["model.encoder.strides"][:3] == [[1, 1, 1], [1, 2, 2], [1, 4, 4]]
    assert "data.spacing" not in thick
    other = settings(found(spacing_range=(2.0, 1.0, 1.0)), spec())
    assert other["data.spacing"] == [1.0, 1.0, 1.0]


def test_loss_normalisation_head_and_augmentation_follow_the_data() -> None:
    plain = found(median=(300, 300), spacing=(0.5, 0.5), contrast=2.0, drift=0.3, eight_bit=True)
    rare = plain._replace(shares={"background": 0.9999, "anterior": 0.0001})
    chosen = settings(rare, spec(2, 2, unit="m"))
    assert chosen["/loss"] == "dice_focal"
    assert chosen["/head" if "/head" in chosen else "/model/head"] == "binary"
    assert chosen["/augment"] == "aerial"
    assert chosen["data.normalise.method"] == "percentile"
    assert chosen["data.foreground"] == 0.5
    assert settings(found(value_range=(-1000.0, 2000.0)), spec())["data.normalise.method"] == "fixed"


def picture(folder: Path, index: int, value: int) -> Case:
    """8 x 8 px of two values, a quarter of them foreground."""
    pixels = np.full((8, 8), value, np.uint8)
    pixels[:4, :4] += 10
    mask = np.zeros((8, 8), np.uint8)
    mask[:4, :4] = 1
    Image.fromarray(pixels).save(folder / f"i{index}.png")
    Image.fromarray(mask).save(folder / f"m{index}.png")
    return Case(f"i{index}", folder / f"i{index}.png", folder / f"m{index}.png", f"g{index}", "train")


def test_statistics_are_right_kept_and_computed_anew_when_a_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    cases = [picture(tmp_path, i, 40 + 20 * i) for i in range(3)]
    about = DataSpec(2, ("grey",), spec(2, 2).classes, Normalisation("zscore"), (8, 8))
    first = fingerprint(cases, about)
    assert first.shares == {"background": 0.75, "anterior": 0.25}
    assert (first.median, first.value_range, first.pixels) == ((8, 8), (40.0, 90.0), 192)
    pixels = np.concatenate([np.asarray(Image.open(case.image)).ravel() for case in cases])
    mean, std = moments(cases, bands=["grey"], nodata=None)
    assert (mean[0], std[0]) == pytest.approx((pixels.mean(), pixels.std()))
    with monkeypatch.context() as patch:
        patch.setattr("unetzoo.datasets.statistics.read_case", lambda *_: pytest.fail("was read again"))
        assert fingerprint(cases, about) == first
    picture(tmp_path, 0, 100)
    assert fingerprint(cases, about).value_range == (60.0, 110.0)


def test_planned_experiment_holds_what_was_given_and_composes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for kind in ("images", "masks"):
        Path(kind).mkdir()
    for i in range(6):
        case = picture(tmp_path, i, 30 * i)
        case.image.rename(f"images/c{i}.png")
        (tmp_path / f"m{i}.png").rename(f"masks/c{i}.png")
    given = ["data=folder", "data.name=mine", "data.images=images", "data.masks=masks"]
    assert main(["plan", *given, "memory=1GB", "device=cpu"]) == 0
    assert "next        unetzoo train --config-dir plans experiment=mine_plan" in capsys.readouterr().out
    planned = yaml.safe_load(Path("plans/experiment/mine_plan.yaml").read_text())
    assert planned["data"]["images"] == "images"
    assert planned["data"]["patch"] == [16, 16]
    assert main(["plan", *given, "device=tpu"]) == 2
    assert "device=tpu must be cpu or gpu" in capsys.readouterr().err
