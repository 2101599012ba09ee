"""Look at a data set before training on it.

usage: unetzoo data check [data=...] [key=value ...]

  unetzoo data check data=folder data.images=img data.masks=msk
  unetzoo data check experiment=demo

Reads every image and mask once. Prints the bands, the classes with their ids, the cases of each split,
and what is wrong, one sentence per file; exit code 2 if anything is.
"""

import sys
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from unetzoo.cli.app import run_app
from unetzoo.cli.suggest import did_you_mean

if TYPE_CHECKING:
    from unetzoo.datasets import SegmentationData


def run(args: list[str]) -> int:
    """Compose configs/train.yaml and check its data."""
    if not args or args[0] in ("-h", "--help"):
        print(__doc__)
        return 0
    verb, *rest = args
    if verb != "check":
        raise ValueError(
            f"data has no verb {verb!r}{did_you_mean(verb, ['check'])}; `unetzoo data check ...`"
        )
    return run_app(_check, "train", rest, __doc__)


def _check(cfg: DictConfig) -> int:
    from hydra.utils import instantiate

    data: SegmentationData = instantiate(cfg.data)
    data.prepare_data()
    report = data.report(_progress if sys.stderr.isatty() else None)
    print(f"set         {data.name}")
    if not report.problems:
        _describe(data)
    for note in report.notes:
        print(f"note        {note}")
    for problem in report.problems:
        print(f"unetzoo data: {problem}", file=sys.stderr)
    print(f"problems    {len(report.problems)}")
    return 2 if report.problems else 0


def _describe(data: "SegmentationData") -> None:
    spec = data.spec
    print(f"bands       {', '.join(spec.bands)} ({spec.ndim}D, normalised by {spec.normalisation.method})")
    for index, known in enumerate(spec.classes):
        ids = ", ".join(map(str, known.ids))
        print(f"{'classes' if index == 0 else '':12}{index} {known.name} (id {ids} in the masks)")
    if spec.target is not None:
        low, high = spec.target.value_range
        unit = f" {spec.target.unit}" if spec.target.unit else ""
        print(f"target      {', '.join(spec.target.bands)}, {low:g} to {high:g}{unit}")
    for split in ("train", "val", "test"):
        print(f"{split:12}{len(data.cases(split))} cases")
    print(f"patch       {' x '.join(map(str, spec.tile))}")


def _progress(done: int, total: int) -> None:
    print(f"\r{done} of {total}", end="\n" if done == total else "", file=sys.stderr, flush=True)
