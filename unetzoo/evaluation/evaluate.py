"""Predict and measure every case of a split, and write what was found."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from unetzoo.evaluation.cost import memory_mb, parameters_of
from unetzoo.evaluation.curves import read_curves
from unetzoo.evaluation.gallery import Gallery, middle
from unetzoo.evaluation.gather import first, gather, share
from unetzoo.evaluation.overlays import draw
from unetzoo.evaluation.pictures import Panels
from unetzoo.evaluation.protocol import OF_OBJECTS, settle
from unetzoo.evaluation.protocol import Protocol as Rules
from unetzoo.evaluation.report import write_report
from unetzoo.evaluation.summary import Origin, Summary, summarise, write_summary
from unetzoo.evaluation.table import CaseResult, require_arrow, write_cases, write_parquet
from unetzoo.inference.contract import Contract, DataSpec
from unetzoo.inference.jobs import make_folder
from unetzoo.inference.progress import Bar
from unetzoo.metrics import PROBABILISTIC, EmptyPolicy, Tally, confusion, measure

__all__ = ["Cases", "Predicts", "cases_of", "evaluate", "origin_of"]

MOST_CLASSES = 32
"""Of a confusion matrix that one can still read."""


class Predicts(Protocol):
    """The part of ``unetzoo.Predictor`` that is used here; ``unetzoo predict`` uses the same engine."""

    contract: Contract

    def check(self, image: Any, name: str) -> None:
        """Refuse an image the model is not for."""

    def labels(
        self,
        image: Any,
        *,
        probabilities: Any = None,
        flips: bool = False,
        batch_size: int = 4,
        progress: Callable[[int, int], None] | None = None,
    ) -> np.ndarray:
        """The label map; ``probabilities`` is handed rows (K, rows, *rest) of these as they come."""


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

    @property
    def numbers_objects(self) -> bool:
        """Whether there are files that number the objects of the references."""

    def objects(self, case: Any, image: Any) -> np.ndarray:
        """The numbers of a case's objects (*size), 0 for none, on the grid of its image."""


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
    metrics: Sequence[str] = (),
    parquet: bool = False,
    run_dir: Path | None = None,
    checkpoint: Path | None = None,
) -> Summary:
    """Measure a model on every whole case of a split; nothing is chosen or tuned here.

    Writes ``cases.csv`` (one row per case and class), ``summary.json`` and ``report.html`` (opens offline).
    In a ``torch.distributed`` group each process measures its share of the cases, all return the same, and
    the first one writes.

    Args:
        nsd_tolerance: Distance within which surfaces agree, in the data's unit (mm, m or px); None: one pixel
            along its longest axis.
        empty: What a class scores that is in neither mask: ``nan | one | skip``.
        flips: Predict the mean over flipped copies.
        seed: Of the bootstrap.
        metrics: Measures beside those every case gets, names of ``unetzoo.metrics.EXTRAS``.
        parquet: Write ``cases.parquet``, too.
        run_dir: Run whose ``metrics.csv`` gives the training curves.
        checkpoint: File the model came from; its hash goes into the summary.

    Raises:
        ValueError: If the split has no case, or model and data do not fit together.
        ImportError: If a measure or parquet needs a package that is not there.
    """
    wants_objects = not OF_OBJECTS.isdisjoint(metrics)
    protocol = settle(
        data.spec,
        predictor.contract.data,
        activation=predictor.contract.activation,
        empty=empty,
        tolerance=nsd_tolerance,
        seed=seed,
        flips=flips,
        extras=metrics,
        numbered=wants_objects and data.numbers_objects,
    )
    if parquet:
        require_arrow()
    cases = cases_of(data, split)
    bare = next((case for case in cases if case.mask is None), None)
    if bare is not None:
        raise ValueError(
            f"case {bare.name} of split '{split}' has no mask to compare with; add one or leave it out"
        )
    out_dir = Path(out_dir)
    make_folder(out_dir)
    started = time.perf_counter()
    study = _Study(predictor, data, protocol, flips=flips, batch_size=batch_size)
    own, gallery = list[CaseResult](), Gallery[CaseResult]()
    mine = share(cases)
    bar = Bar(len(mine))
    for case in mine:
        bar.start(case.name)
        result, draw_case = study(case, bar.part)
        own.append(result)
        gallery.offer(result, draw_case)
        bar.finish()
    bar.close()
    names = [case.name for case in cases]
    results = gather(own, lambda result: result.name, names)
    part = _Part(mine[0].name, gallery, study.seconds, study.pixels) if mine else None
    parts = gather([part] if part else [], lambda part: part.name, names)
    gallery.join([part.gallery for part in parts], names)
    seconds, pixels = sum(part.seconds for part in parts), sum(part.pixels for part in parts)
    origin = replace(
        origin_of(predictor.contract, data, split, checkpoint, time.perf_counter() - started),
        parameters=parameters_of(predictor),
        seconds_per_megapixel=float(f"{seconds / pixels * 1e6:.3g}"),
        memory_mb=memory_mb(),
    )
    summary = summarise(results, protocol, origin)
    if first():
        by_name = {case.name: case for case in cases}
        for result in middle(results, 2, gallery.pictures):  # which they are is known in the end alone
            gallery.add_middle(result, study(by_name[result.name])[1]())
        curves = read_curves(run_dir / "metrics.csv") if run_dir else {}
        write_cases(out_dir / "cases.csv", results, protocol)
        if parquet:
            write_parquet(out_dir / "cases.parquet", results, protocol)
        write_summary(out_dir / "summary.json", summary.to_dict())
        config = predictor.contract.config
        write_report(out_dir / "report.html", summary, results, data.spec, gallery, curves, config)
    return summary


class _Part(NamedTuple):
    """What a process has beside its results.

    Args:
        name: Of its first case.
    """

    name: str
    gallery: Gallery[CaseResult]
    seconds: float
    pixels: int


class _Study:
    """Predicts and measures a case.

    Attributes:
        seconds: Spent on predicting so far, ...
        pixels: ... so many pixels.
    """

    def __init__(self, predictor: Predicts, data: Cases, protocol: Rules, **how: Any) -> None:
        self.predictor, self.data, self.protocol, self.how = predictor, data, protocol, how
        self.seconds, self.pixels = 0.0, 0

    def __call__(
        self, case: Any, progress: Callable[[int, int], None] | None = None
    ) -> tuple[CaseResult, Callable[[], tuple[Panels, ...]]]:
        """The result, and what draws it."""
        protocol, spec = self.protocol, self.data.spec
        sample = self.data.read(case)
        self.predictor.check(sample.image, case.name)
        tally = None
        if not PROBABILISTIC.isdisjoint(protocol.extras):
            tally = Tally(sample.mask, protocol.classes, multilabel=spec.multilabel)
        started = time.perf_counter()
        labels = self.predictor.labels(sample.image, probabilities=tally, progress=progress, **self.how)
        self.seconds += time.perf_counter() - started
        self.pixels += sample.image.valid.size
        scores = measure(
            labels,
            sample.mask,
            classes=protocol.classes,
            num_classes=len(protocol.names),
            spacing=protocol.spacing(sample.image, case.name),
            tolerance=protocol.tolerance,
            empty=protocol.empty,
            extras=protocol.extras,
            numbers=self.data.objects(case, sample.image) if protocol.numbered else None,
            trust=tally.found if tally else None,
        )
        matrix = None
        if not spec.multilabel and len(protocol.names) <= MOST_CLASSES:
            matrix = confusion(labels, sample.mask, len(protocol.names))
        result = CaseResult(case.name, case.group, tuple(scores), matrix)
        return result, partial(draw, sample.image, sample.mask, labels, spec, protocol.classes)


def origin_of(contract: Contract, data: Cases, split: str, checkpoint: Path | None, seconds: float) -> Origin:
    """Where the numbers of an evaluation that has just ended come from."""
    return Origin(
        model=contract.name,
        trained_on=_trained_on(contract.config),
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


def _trained_on(config: str) -> str:
    """The set that a composed config names, empty if it names none."""
    from omegaconf import OmegaConf

    return str(OmegaConf.select(OmegaConf.create(config), "data.name") or "") if config else ""


def _name(data: Cases) -> str:
    return data.name or "unnamed data"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
