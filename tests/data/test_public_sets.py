"""Every public set: a tiny sample in its own layout is prepared and checked, and some go all the way."""

import csv
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

from unetzoo.cli import main
from unetzoo.datasets.datamodule import SegmentationData

ROOT = Path(__file__).parents[2]


SAMPLES = [
    (path.parent.name, layout)
    for path in sorted((ROOT / "data").glob("*/make_sample.py"))
    for layout in runpy.run_path(str(path)).get("LAYOUTS", ())
]
Prepared = Callable[[str, str], tuple[Path, Path]]
Loaded = Callable[[str, Path], SegmentationData]
WHOLE = ("vaihingen", "acdc", "drive")  # colours and tiles, volumes, GIF; the others are full


@pytest.mark.parametrize(("folder", "layout"), SAMPLES)
def test_sample_is_prepared_and_passes_the_check(
    prepared: Prepared, loaded: Loaded, folder: str, layout: str
) -> None:
    raw, out = prepared(folder, layout)
    before = sorted(path.relative_to(raw) for path in raw.rglob("*"))
    data = loaded(layout, out)
    report = data.report()
    assert report.problems == []
    # what the card says of the classes is what the sample holds
    assert not [note for note in report.notes if "no mask has the class" in note]
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
    prepared: Prepared,
    loaded: Loaded,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    folder: str,
    layout: str,
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
        *(["model/head=multilabel"] if data.multilabel else []),
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
