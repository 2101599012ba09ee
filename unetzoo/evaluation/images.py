"""Predict the target image of every case of a split, and measure how far off it is."""

import csv
import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from unetzoo.evaluation.evaluate import Cases, cases_of, origin_of
from unetzoo.evaluation.gather import first, gather, share
from unetzoo.evaluation.protocol import same
from unetzoo.evaluation.summary import Origin, many, number, plain, write_summary
from unetzoo.inference.contract import Contract
from unetzoo.inference.files import replacing
from unetzoo.inference.jobs import make_folder
from unetzoo.inference.progress import Bar
from unetzoo.metrics import DRAWS, ImageErrors, ImageTally, Interval, bootstrap, mean

__all__ = ["ImageSummary", "PredictsImages", "evaluate_images"]


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


class CaseErrors(NamedTuple):
    """One row of the table."""

    name: str
    group: str
    errors: ImageErrors


@dataclass(frozen=True)
class ImageSummary:
    """Result of an evaluation; the same as ``summary.json``.

    Args:
        unit: Of the mean absolute error.
        means: Over cases of each measure; cases without a pixel that counts have no part.
        intervals: 95 % bootstrap intervals of these, whole groups drawn.
    """

    origin: Origin
    unit: str
    value_range: tuple[float, float]
    n_cases: int
    n_groups: int
    means: dict[str, float]
    intervals: dict[str, Interval]
    seed: int
    flips: bool

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; numbers that do not exist are None."""
        values = asdict(self)
        low, high = self.value_range
        draws = f"{DRAWS} draws of {self.n_groups} groups, seed {self.seed}"
        definitions = {
            "means": "Over cases, of the pixels whose target counts.",
            "mae": f"Mean absolute error in {self.unit or 'the units of the files'}.",
            "psnr": f"10 log10(({high:g} - {low:g})^2 / mean squared error), in dB.",
            "ssim": f"Structural similarity of images from {low:g} to {high:g}; both are {low:g} elsewhere.",
            "intervals": f"95 % studentised bootstrap of the mean: {draws}.",
        }
        found: dict[str, Any] = plain({**values.pop("origin"), **values, "definitions": definitions})
        return found

    def text(self) -> str:
        """A few lines for the terminal."""
        origin = self.origin
        lines = [
            f"{origin.model} on {origin.data}, split {origin.split}: "
            f"{many(self.n_cases, 'case')} in {many(self.n_groups, 'group')}",
            "".ljust(14) + "mean".rjust(14) + "  95 %",
        ]
        for field, heading in (("mae", f"MAE {self.unit}".strip()), ("psnr", "PSNR dB"), ("ssim", "SSIM")):
            low, high = self.intervals[field]
            interval = "" if math.isnan(low) else f"  {low:.4f} to {high:.4f}"
            lines.append(heading.ljust(14) + number(self.means[field]).rjust(14) + interval)
        return "\n".join(lines)


def evaluate_images(
    predictor: PredictsImages,
    data: Pairs,
    split: str,
    out_dir: Path,
    *,
    flips: bool = False,
    batch_size: int = 4,
    seed: int = 0,
    checkpoint: Path | None = None,
) -> ImageSummary:
    """Measure a model on every whole case of a split; nothing is chosen or tuned here.

    Writes ``cases.csv`` (one row per case) and ``summary.json``. PSNR and SSIM are relative to the range of
    the model's contract. Large scenes are read, predicted and compared some rows at a time.

    Args:
        flips: Predict the mean over flipped copies.
        seed: Of the bootstrap.
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
    own: list[CaseErrors] = []
    mine = share(cases)
    bar = Bar(len(mine))
    for case in mine:
        bar.start(case.name)
        with data.pair(case) as pair:
            predictor.check(pair.image, case.name)
            compared = _Compared(pair, trained.target.value_range)
            how: dict[str, Any] = {"flips": flips, "batch_size": batch_size, "progress": bar.part}
            predictor.hand_values(pair.image, compared, **how)
        own.append(CaseErrors(case.name, case.group, compared.tally.errors))
        bar.finish()
    bar.close()
    rows = gather(own, lambda row: row.name, [case.name for case in cases])
    groups = [row.group for row in rows]
    columns = {f: np.array([getattr(row.errors, f) for row in rows]) for f in ImageErrors._fields}
    summary = ImageSummary(
        origin=origin_of(predictor.contract, data, split, checkpoint, time.perf_counter() - started),
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
        _write_cases(out_dir / "cases.csv", rows, summary.unit)
        write_summary(out_dir / "summary.json", summary.to_dict())
    return summary


class _Compared:
    """Takes the rows of a predicted image, and compares each with its target."""

    def __init__(self, pair: Any, value_range: tuple[float, float]) -> None:
        self.tally, self._target = ImageTally(pair.image.size[0], value_range), pair.target
        self._row = 0

    def append(self, piece: np.ndarray) -> None:
        """The next rows (K, rows, *rest)."""
        first, self._row = self._row, self._row + piece.shape[1]
        self.tally.add(piece, self._target(first, self._row))


def _write_cases(path: Path, rows: Sequence[CaseErrors], unit: str) -> None:
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["case", "group", f"mae_{unit}" if unit else "mae", "psnr", "ssim"])
        for row in rows:
            writer.writerow([row.name, row.group, *(f"{value:.6g}" for value in row.errors)])
