"""The report is one file, complete, escaped, and loads nothing."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from tests.evaluation.conftest import (
    FakeData,
    FakePredictor,
    FakeSample,
    cells,
    make_image,
    make_spec,
    square,
)

from unetzoo.evaluation import evaluate

VOID = {"meta", "img", "input", "br", "link"}


class Page(HTMLParser):
    """Text, attributes that could load something, and whether every tag is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.sources: list[str] = []
        self.tags: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href", "data", "action")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def report(data: FakeData, predictor: FakePredictor, folder: Path, run_dir: Path | None = None) -> str:
    evaluate(predictor, data, "test", folder, nsd_tolerance=1, run_dir=run_dir)
    return (folder / "report.html").read_text(encoding="utf-8")


def test_report_shows_every_case_and_the_policy(
    mixed: tuple[FakeData, FakePredictor], tmp_path: Path
) -> None:
    page = Page(report(*mixed, tmp_path))
    for name in mixed[0].samples:
        assert name in page.words
    for words in (
        "toy on made-up",
        "Policy 'nan'",
        "false alarm",
        "HD95 (px)",
        "NSD @ 1 px",
        "Not in any number: background",
        "So few groups",
    ):
        assert words in page.text


def test_report_loads_nothing(mixed: tuple[FakeData, FakePredictor], tmp_path: Path) -> None:
    text = report(*mixed, tmp_path)
    assert not re.search(r"https?:|//[a-z]+\.", re.sub(r"base64,[A-Za-z0-9+/=]+", "", text))
    sources = Page(text).sources
    assert sources
    assert all(source.startswith("data:image/") for source in sources)
    assert "default-src 'none'" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cases.csv", "report.html", "summary.json"]


def test_names_from_files_are_text_and_never_markup(tmp_path: Path) -> None:
    evil = "<script>alert('x')</script>&\"it's"
    data, predictor = cells({evil: (square(), square()), "plain": (square(), square())}, {evil: "<i>group"})
    data.name = "<b>data"
    plain = report(*cells({"a": (square(), square()), "b": (square(), square())}), tmp_path)
    text = report(data, predictor, tmp_path)
    page = Page(text)
    assert evil in page.words
    assert page.tags.count("script") == Page(plain).tags.count("script") == 1
    assert "<b>data" not in text
    assert "<i>group" not in text


def test_worst_and_best_cases_are_shown_with_their_layers(tmp_path: Path) -> None:
    pairs = {f"case{i:02d}": (square(), square(at=(5, 5 + i % 6))) for i in range(12)}
    page = Page(report(*cells(pairs), tmp_path))
    assert page.tags.count("section") == 10
    assert page.tags.count("img") == 10 * 3
    assert "Median cases" in page.words
    assert "Worst cases" in page.words
    assert "Best cases" in page.words
    assert "true positive" in page.words
    assert "wrong class" not in page.words  # there is one class


def test_training_curves_come_from_the_run(mixed: tuple[FakeData, FakePredictor], tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "metrics.csv").write_text(
        "epoch,train/loss,val/loss,val/dice,lr\n0,1,1.1,0.2,0.1\n1,.5,.7,.6,.1\n"
    )
    page = Page(report(*mixed, tmp_path / "with", run))
    assert {"Loss", "Validation scores", "Learning rate", "val/dice"} <= set(page.words)
    without = Page(report(*mixed, tmp_path / "without", tmp_path / "no-such-run"))
    assert "Learning rate" not in without.words
    assert page.tags.count("polyline") == 4


def test_report_says_what_was_trained_on_what(mixed: tuple[FakeData, FakePredictor], tmp_path: Path) -> None:
    mixed[1].contract = replace(mixed[1].contract, config="data: {name: '<i>cells'}\nloss: {name: dice}\n")
    page = Page(report(*mixed, tmp_path))
    assert "trained on <i>cells split test" in page.text
    assert "loss: {name: dice}" in page.text


def test_a_split_without_any_value_still_gives_a_report(tmp_path: Path) -> None:
    nothing = np.zeros((20, 20), np.uint8)
    text = Page(report(*cells({"a": (nothing, nothing)}), tmp_path)).text
    assert "No case has a value" in text
    assert "absent" in text


@pytest.mark.parametrize(("bands", "dtype"), [(1, np.uint8), (3, np.uint8), (4, np.uint16), (6, np.float32)])
def test_images_of_any_bands_and_type(tmp_path: Path, bands: int, dtype: type) -> None:
    random = np.random.default_rng(0)
    data = FakeData(
        make_spec(bands=bands),
        {"a": FakeSample(make_image((random.random((bands, 20, 20)) * 200).astype(dtype)), square())},
    )
    text = Page(report(data, FakePredictor(data, {"a": square()}), tmp_path)).text
    assert ("band0, band1, band2 of" in text) == (bands > 3)


def test_a_volume_is_shown_by_its_fullest_slice(tmp_path: Path) -> None:
    reference = np.zeros((9, 12, 12), np.uint8)
    reference[3, 4:6, 4:6], reference[6, 2:9, 2:9] = 1, 1
    image = make_image(reference[None].astype(np.float32), spacing=(2.0, 1.0, 1.0), unit="mm")
    data = FakeData(make_spec(ndim=3, unit="mm"), {"scan": FakeSample(image, reference)})
    assert "axial slice 7 of 9" in Page(report(data, FakePredictor(data, {"scan": reference}), tmp_path)).text
