"""Look at a data set before training on it, or hand it on.

usage: unetzoo data check [data=...] [key=value ...]
       unetzoo data to-nnunet out=... [data=...] [key=value ...]

  unetzoo data check data=folder data.images=img data.masks=msk
  unetzoo data check experiment=demo
  unetzoo data to-nnunet data=acdc out=nnUNet_raw/Dataset501_ACDC

check reads every image and mask once. Prints the bands, the classes with their ids, the cases of each split,
and what is wrong, one sentence per file; exit code 2 if anything is.
to-nnunet writes the set in nnU-Net's raw format: train and val for training, test beside it with its labels.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from unetzoo.cli.app import run_app
from unetzoo.cli.suggest import did_you_mean

if TYPE_CHECKING:
    from unetzoo.datasets import SegmentationData


VERBS = ("check", "to-nnunet")


def run(args: list[str]) -> int:
    """Compose configs/train.yaml and check its data, or write it in another format."""
    if not args or args[0] in ("-h", "--help"):
        print(__doc__)
        return 0
    verb, *rest = args
    if verb not in VERBS:
        raise ValueError(
            f"data has no verb {verb!r}{did_you_mean(verb, VERBS)}; it has {' and '.join(VERBS)}, "
            "`unetzoo data check ...`"
        )
    if verb == "check":
        return run_app(_check, "train", rest, __doc__)
    # out is no key of train.yaml
    rest = [f"+{word}" if word.startswith("out=") else word for word in rest]
    return run_app(_to_nnunet, "train", rest, __doc__)


def _to_nnunet(cfg: DictConfig) -> int:
    from hydra.utils import instantiate

    from unetzoo.datasets.nnunet import write_nnunet

    if "out" not in cfg:
        raise ValueError(
            "out=... is missing; give the folder to write, such as out=nnUNet_raw/Dataset501_Name"
        )
    data: SegmentationData = instantiate(cfg.data)
    data.prepare_data()
    out = Path(cfg.out)
    counts = write_nnunet(data, out, _progress if sys.stderr.isatty() else None)
    print(f"wrote       {out} ({', '.join(f'{count} {split}' for split, count in counts.items())})")
    print(f"next        nnUNetv2_plan_and_preprocess -d {out.name[7:10]} --verify_dataset_integrity")
    print(f"            {out / 'splits_final.json'} belongs into nnUNet_preprocessed/{out.name}")
    return 0


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
