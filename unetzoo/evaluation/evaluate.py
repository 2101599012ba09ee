"""Predict and measure every case of a split, and write what was found."""

import hashlib
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from unetzoo.evaluation.curves import read_curves
from unetzoo.evaluation.gallery import Gallery
from unetzoo.evaluation.overlays import draw
from unetzoo.evaluation.protocol import settle
from unetzoo.evaluation.report import write_report
from unetzoo.evaluation.summary import Origin, Summary, summarise, write_summary
from unetzoo.evaluation.table import CaseResult, write_cases
from unetzoo.inference.contract import Contract, DataSpec
from unetzoo.inference.jobs import make_folder
from unetzoo.inference.progress import Bar
from unetzoo.metrics import EmptyPolicy, measure

__all__ = ["Cases", "Predicts", "cases_of", "evaluate", "origin_of"]


class Predicts(Protocol):
    """The part of ``unetzoo.Predictor`` that is used here; ``unetzoo predict`` uses the same engine."""

    contract: Contract

    def check(self, image: Any, name: str) -> None:
        """Refuse an image the model is not for."""

    def labels(
        self,
        image: Any,
        *,
        flips: bool = False,
        batch_size: int = 4,
        progress: Callable[[int, int], None] | None = None,
    ) -> np.ndarray:
        """The label map."""


class Cases(Protocol):
    """The part of ``unetzoo.datasets.SegmentationData`` that is used here."""

    @property
    def name(self) -> str | None:
        """Of the set."""

    @property
    def spec(self) -> DataSpec:
        """Classes, bands and unit."""

    def cases(self, split: str) -> Sequence[Any]:
        """What belongs to a split."""

    def read(self, case: Any) -> Any:
        """A whole case: ``image`` and ``mask``."""


def evaluate(
    predictor: Predicts,
    data: Cases,
    split: str,
    out_dir: Path,
    *,
    nsd_tolerance: float | None = None,
    empty: EmptyPolicy = "nan",
    flips: bool = False,
    batch_size: int = 4,
    seed: int = 0,
    run_dir: Path | None = None,
    checkpoint: Path | None = None,
) -> Summary:
    """Measure a model on every whole case of a split; nothing is chosen or tuned here.

    Writes ``cases.csv`` (one row per case and class), ``summary.json`` and ``report.html`` (opens offline).

    Args:
        nsd_tolerance: Distance within which surfaces agree, in the data's unit (mm, m or px); None: one pixel
            along its longest axis.
        empty: What a class scores that is in neither mask: ``nan | one | skip``.
        flips: Predict the mean over flipped copies.
        seed: Of the bootstrap.
        run_dir: Run whose ``metrics.csv`` gives the training curves.
        checkpoint: File the model came from; its hash goes into the summary.

    Raises:
        ValueError: If the split has no case, or model and data do not fit together.
    """
    protocol = settle(
        data.spec,
        predictor.contract.data,
        activation=predictor.contract.activation,
        empty=empty,
        tolerance=nsd_tolerance,
        seed=seed,
        flips=flips,
    )
    cases = cases_of(data, split)
    bare = next((case for case in cases if case.mask is None), None)
    if bare is not None:
        raise ValueError(
            f"case {bare.name} of split '{split}' has no mask to compare with; add one or leave it out"
        )
    out_dir = Path(out_dir)
    make_folder(out_dir)
    started = time.perf_counter()
    results: list[CaseResult] = []
    gallery = Gallery()
    bar = Bar(len(cases))
    for case in cases:
        bar.start(case.name)
        sample = data.read(case)
        predictor.check(sample.image, case.name)
        labels = predictor.labels(sample.image, flips=flips, batch_size=batch_size, progress=bar.part)
        scores = measure(
            labels,
            sample.mask,
            classes=protocol.classes,
            num_classes=len(protocol.names),
            spacing=protocol.spacing(sample.image, case.name),
            tolerance=protocol.tolerance,
            empty=empty,
        )
        results.append(CaseResult(case.name, case.group, tuple(scores)))
        gallery.offer(
            results[-1], partial(draw, sample.image, sample.mask, labels, data.spec, protocol.classes)
        )
        bar.finish()
    bar.close()
    origin = origin_of(predictor.contract, data, split, checkpoint, time.perf_counter() - started)
    summary = summarise(results, protocol, origin)
    curves = read_curves(run_dir / "metrics.csv") if run_dir else {}
    write_cases(out_dir / "cases.csv", results, protocol)
    write_summary(out_dir / "summary.json", summary.to_dict())
    write_report(out_dir / "report.html", summary, results, data.spec, gallery, curves)
    return summary


def origin_of(contract: Contract, data: Cases, split: str, checkpoint: Path | None, seconds: float) -> Origin:
    """Where the numbers of an evaluation that has just ended come from."""
    return Origin(
        model=contract.name,
        data=_name(data),
        split=split,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        checkpoint=checkpoint.name if checkpoint else "",
        checkpoint_sha256=_sha256(checkpoint) if checkpoint else "",
        weights_sha256=contract.weights_sha256,
        seconds=round(seconds, 3),
    )


def cases_of(data: Cases, split: str) -> list[Any]:
    """The cases of a split, at least one."""
    cases = list(data.cases(split))
    if not cases:
        raise ValueError(
            f"split '{split}' of {_name(data)} has no cases; choose another split or fill this one"
        )
    return cases


def _name(data: Cases) -> str:
    return data.name or "unnamed data"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
