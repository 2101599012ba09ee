"""Predict the target image of every case of a split, and measure how far off it is."""

import csv
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from unetzoo.evaluation.cost import memory_mb, parameters_of
from unetzoo.evaluation.curves import read_curves
from unetzoo.evaluation.differences import Compared
from unetzoo.evaluation.evaluate import Cases, cases_of, origin_of
from unetzoo.evaluation.gallery import Gallery, middle
from unetzoo.evaluation.gather import first, gather, share
from unetzoo.evaluation.image_report import write_image_report
from unetzoo.evaluation.image_summary import CaseErrors, ImageSummary
from unetzoo.evaluation.pictures import Panels
from unetzoo.evaluation.protocol import same
from unetzoo.evaluation.summary import write_summary
from unetzoo.inference.contract import Contract
from unetzoo.inference.files import replacing
from unetzoo.inference.jobs import make_folder
from unetzoo.inference.progress import Bar
from unetzoo.metrics import ImageErrors, ImageTally, bootstrap, mean

__all__ = ["PredictsImages", "evaluate_images"]


class PredictsImages(Protocol):
    """The part of ``unetzoo.Predictor`` that is used here; ``unetzoo predict`` uses the same engine."""

    contract: Contract

    def check(self, image: Any, name: str) -> None:
        """Refuse an image the model is not for."""

    def hand_values(
        self,
        image: Any,
        to: Any,
        *,
        flips: bool = False,
        batch_size: int = 4,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """The predicted image in the target's unit, rows (K, rows, *rest) at a time, to ``to.append``."""


class Pairs(Cases, Protocol):
    """The part of ``unetzoo.datasets.SegmentationData`` that is used here."""

    def pair(self, case: Any) -> AbstractContextManager[Any]:
        """A case: ``image``, and ``target`` from the first row to the one after the last."""


def evaluate_images(
    predictor: PredictsImages,
    data: Pairs,
    split: str,
    out_dir: Path,
    *,
    flips: bool = False,
    batch_size: int = 4,
    seed: int = 0,
    run_dir: Path | None = None,
    checkpoint: Path | None = None,
) -> ImageSummary:
    """Measure a model on every whole case of a split; nothing is chosen or tuned here.

    Writes ``cases.csv`` (one row per case), ``summary.json`` and ``report.html`` (opens offline). PSNR and
    SSIM are relative to the range of the model's contract. Large scenes are read, predicted and compared some
    rows at a time.

    Args:
        flips: Predict the mean over flipped copies.
        seed: Of the bootstrap.
        run_dir: Run whose ``metrics.csv`` gives the training curves.
        checkpoint: File the model came from; its hash goes into the summary.

    Raises:
        ValueError: If the split has no case, or model and data do not fit together.
    """
    trained, given = predictor.contract.data, data.spec
    if trained.target is None or given.target is None:
        raise ValueError(
            f"the model predicts {', '.join(trained.outputs)} and the data has {', '.join(given.outputs)}; "
            "one of them is classes and the other an image"
        )
    same("target", trained.target.bands, given.target.bands)
    same("bands", trained.bands, given.bands)
    cases = cases_of(data, split)
    out_dir = Path(out_dir)
    make_folder(out_dir)
    started = time.perf_counter()
    study = partial(_study, predictor, data, flips=flips, batch_size=batch_size)
    own, gallery = list[CaseErrors](), Gallery[CaseErrors]()
    mine = share(cases)
    bar = Bar(len(mine))
    for case in mine:
        bar.start(case.name)
        with study(case, progress=bar.part) as (row, draw):
            own.append(row)
            gallery.offer(row, draw)
        bar.finish()
    bar.close()
    names = [case.name for case in cases]
    rows = gather(own, lambda row: row.name, names)
    parts = gather([_Part(mine[0].name, gallery)] if mine else [], lambda part: part.name, names)
    gallery.join([part.gallery for part in parts], names)
    groups = [row.group for row in rows]
    columns = {f: np.array([getattr(row.errors, f) for row in rows]) for f in ImageErrors._fields}
    origin = origin_of(predictor.contract, data, split, checkpoint, time.perf_counter() - started)
    summary = ImageSummary(
        origin=replace(origin, parameters=parameters_of(predictor), memory_mb=memory_mb()),
        unit=trained.target.unit,
        value_range=trained.target.value_range,
        n_cases=len(rows),
        n_groups=len(set(groups)),
        means={field: mean(values) for field, values in columns.items()},
        intervals={field: bootstrap(values, groups, seed=seed) for field, values in columns.items()},
        seed=seed,
        flips=flips,
    )
    if first():
        by_name = {case.name: case for case in cases}
        for row in middle(rows, 2, gallery.pictures):  # which they are is known in the end alone
            with study(by_name[row.name]) as (_, draw):
                gallery.add_middle(row, draw())
        curves = read_curves(run_dir / "metrics.csv") if run_dir else {}
        _write_cases(out_dir / "cases.csv", rows, summary.unit)
        write_summary(out_dir / "summary.json", summary.to_dict())
        config = predictor.contract.config
        write_image_report(out_dir / "report.html", summary, rows, gallery, curves, config)
    return summary


class _Part(NamedTuple):
    """What a process has beside its results; the name is that of its first case."""

    name: str
    gallery: Gallery[CaseErrors]


@contextmanager
def _study(
    predictor: PredictsImages, data: Pairs, case: Any, **how: Any
) -> Iterator[tuple[CaseErrors, Callable[[], tuple[Panels, ...]]]]:
    """The result of a case, and what draws it while its files are open."""
    spec = predictor.contract.data
    assert spec.target is not None
    with data.pair(case) as pair:
        predictor.check(pair.image, case.name)
        rows = _Rows(pair, spec.target.value_range)
        predictor.hand_values(pair.image, rows, **how)
        yield CaseErrors(case.name, case.group, rows.tally.errors), partial(rows.shown.draw, pair.image, spec)


class _Rows:
    """Takes the rows of a predicted image, and compares each with its target."""

    def __init__(self, pair: Any, value_range: tuple[float, float]) -> None:
        self.tally, self.shown = ImageTally(pair.image.size[0], value_range), Compared(pair.image.size)
        self._target, self._row = pair.target, 0

    def append(self, piece: np.ndarray) -> None:
        """The next rows (K, rows, *rest)."""
        first, self._row = self._row, self._row + piece.shape[1]
        target = self._target(first, self._row)
        self.tally.add(piece, target)
        self.shown.add(piece, target, first)


def _write_cases(path: Path, rows: Sequence[CaseErrors], unit: str) -> None:
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["case", "group", f"mae_{unit}" if unit else "mae", "psnr", "ssim"])
        for row in rows:
            writer.writerow([row.name, row.group, *(f"{value:.6g}" for value in row.errors)])
