"""Every public set: a tiny sample in its own layout is prepared and checked, and some go all the way."""

import csv
import runpy
from pathlib import Path
from typing import Any

import pytest
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from unetzoo.cli import main
from unetzoo.datasets.datamodule import SegmentationData

ROOT = Path(__file__).parents[2]


def scripts(folder: str, script: str) -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "data" / folder / script))


SAMPLES = [
    (path.parent.name, layout)
    for path in sorted((ROOT / "data").glob("*/make_sample.py"))
    for layout in runpy.run_path(str(path)).get("LAYOUTS", ())
]
WHOLE = ("vaihingen", "acdc", "drive")  # colours and tiles, volumes, GIF; the others are full


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Makes a sample once and prepares it; the raw folder and the prepared one."""
    made: dict[tuple[str, str], tuple[Path, Path]] = {}

    def make(folder: str, layout: str) -> tuple[Path, Path]:
        if (folder, layout) not in made:
            raw, out = (tmp_path_factory.mktemp(layout.split()[0]) / kind for kind in ("raw", "out"))
            assert scripts(folder, "make_sample.py")["main"]([str(raw), "--layout", layout]) == 0
            assert scripts(folder, "prepare.py")["main"]([str(raw), "--out", str(out)]) == 0
            made[folder, layout] = raw, out
        return made[folder, layout]

    return make


def config_of(layout: str) -> DictConfig:
    """The data config, merged by hand: composing with Hydra costs more than reading the sample."""
    configs, name = ROOT / "configs" / "data", layout.split()[0]
    config = OmegaConf.create({"paths": {"data": "."}, "seed": 0, "augment": None})
    chain: list[Any] = []
    while name:
        chain.insert(0, OmegaConf.load(configs / f"{name}.yaml"))
        name = chain[0].pop("defaults", [""])[0]
    config["data"] = OmegaConf.merge(*chain)
    return config


def loaded(layout: str, out: Path) -> SegmentationData:
    data = instantiate(config_of(layout).data, root=out, num_workers=0)
    assert isinstance(data, SegmentationData)
    return data


@pytest.mark.parametrize(("folder", "layout"), SAMPLES)
def test_sample_is_prepared_and_passes_the_check(prepared: Any, folder: str, layout: str) -> None:
    raw, out = prepared(folder, layout)
    before = sorted(path.relative_to(raw) for path in raw.rglob("*"))
    data = loaded(layout, out)
    report = data.report()
    assert report.problems == []
    # what the card says of the classes is what the sample holds
    assert not [note for note in report.notes if "is in no mask" in note]
    assert data.cases("train")
    assert data.cases("val")
    assert sorted(path.relative_to(raw) for path in raw.rglob("*")) == before


@pytest.mark.parametrize(
    ("folder", "layout"),
    [
        pytest.param(folder, layout, marks=[] if layout in WHOLE else [pytest.mark.full], id=layout)
        for folder, layout in SAMPLES
    ],
)
def test_sample_is_trained_on_evaluated_and_predicted(
    prepared: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, layout: str
) -> None:
    _, out = prepared(folder, layout)
    data = loaded(layout, out)
    ndim = data.spec.ndim
    monkeypatch.chdir(tmp_path)
    tiny = [
        f"data={layout.split()[0]}",
        f"data.root={out}",
        f"data.patch=[{','.join(['8', '16', '16'][-ndim:])}]",
        "data.batch_size=2",
        "data.samples_per_epoch=4",
        "data.num_workers=0",
        f"augment={'volume' if ndim == 3 else 'light'}",
        f"model/encoder=conv{ndim}d",
        "model.encoder.channels=[4,8]",
        "trainer=cpu",
        "trainer.max_epochs=1",
        "logger=none",
        "run_id=tiny",
    ]
    assert main(["train", *tiny]) == 0
    ckpt = "ckpt=runs/tiny/checkpoints/best.ckpt"
    split = "test" if data.cases("test") else "val"
    assert main(["eval", ckpt, f"split={split}"]) == 0
    with open(tmp_path / "runs/tiny/eval" / split / "cases.csv", newline="") as file:
        assert {row["case"] for row in csv.DictReader(file)} == {case.name for case in data.cases(split)}
    first = data.cases(split)[0].image
    assert main(["predict", ckpt, f"inputs='{first}'", "out=predicted"]) == 0
    assert len(list((tmp_path / "predicted").iterdir())) == 1
