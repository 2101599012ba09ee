"""Look at a data set before training on it, or hand it on.

usage: unetzoo data check [each=true] [data=...] [key=value ...]
       unetzoo data split out=... [folds=...] [stratify=...] [tile=...] [blocks=...] [buffer=...] [data=...]
       unetzoo data to-nnunet out=... [data=...] [key=value ...]

  unetzoo data check data=folder data.images=img data.masks=msk
  unetzoo data check experiment=demo
  unetzoo data split data=folder data.images=img data.masks=msk 'data.group="^([^_]+)_"' folds=5 out=folds.csv
  unetzoo data split data=folder data.images=img data.masks=msk tile=512 blocks=200 buffer=20 out=blocks.csv
  unetzoo data to-nnunet data=acdc out=nnUNet_raw/Dataset501_ACDC

check reads every image and mask once. Prints the bands, the classes with their ids, the cases of each split,
and what is wrong; exit code 2 if anything is. Wrong is also what is on two sides of the split: a group, a
file, a picture that looks the same, tiles that overlap or touch on the ground. What is wrong with many files
is said of one, with the count of the others; each=true says it of each.
split writes a manifest with the split in it, by whole groups and data.split_seed: train, val and test by
data's fractions, or test and folds=N (train with data.fold=0, 1, ...); splits the set has stay
(data.splits=null drops them). stratify=classes spreads the classes evenly, stratify=<column> what a
manifest says. tile=N cuts scenes into tiles; blocks=N keeps squares of the ground together, in the units of
the images' coordinate reference system, with buffer=N left out between splits.
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


SPLIT_OPTIONS = {"folds": int, "stratify": str, "tile": int, "blocks": int | float, "buffer": int | float}
VERBS = ("check", "split", "to-nnunet")


def run(args: list[str]) -> int:
    """Compose configs/train.yaml and check its data, or write it in another format."""
    if not args or args[0] in ("-h", "--help"):
        print(__doc__)
        return 0
    verb, *rest = args
    if verb not in VERBS:
        raise ValueError(
            f"data has no verb {verb!r}{did_you_mean(verb, VERBS)}; it has {', '.join(VERBS)}, "
            "`unetzoo data check ...`"
        )
    work, own = {
        "check": (_check, ["each"]),
        "split": (_split, ["out", *SPLIT_OPTIONS]),
        "to-nnunet": (_to_nnunet, ["out"]),
    }[verb]
    # the verb's own keys are none of train.yaml
    rest = [f"+{word}" if word.partition("=")[0] in own else word for word in rest]
    return run_app(work, "train", rest, __doc__)


def _split(cfg: DictConfig) -> int:
    from hydra.utils import instantiate

    from unetzoo.datasets.manifest import write_manifest
    from unetzoo.datasets.resplit import resplit

    if "out" not in cfg or not str(cfg.out).endswith(".csv"):
        raise ValueError("out=... is missing; give the manifest to write, such as out=folds.csv")
    options = {key: cfg[key] for key in SPLIT_OPTIONS if key in cfg}
    for key, value in options.items():
        if key != "stratify" and (isinstance(value, bool) or not isinstance(value, SPLIT_OPTIONS[key])):
            raise ValueError(f"{key}={value} is no number; give one, such as {key}=5")
    data: SegmentationData = instantiate(cfg.data)
    data.prepare_data()
    cases, notes = resplit(data, **options, progress=_progress if sys.stderr.isatty() else None)
    out = Path(cfg.out).resolve()
    write_manifest(out, cases)
    print(f"wrote       {out}")
    for split in ("train", "val", "test"):
        chosen = [case for case in cases if case.split == split]
        print(f"{split:12}{len(chosen)} cases in {len({case.group for case in chosen})} groups")
    folds = sorted({case.fold for case in cases if case.fold is not None})
    for fold in folds:
        print(f"fold {fold:<7}{sum(case.fold == fold for case in cases)} cases")
    for note in notes:
        print(f"note        {note}")
    print(f"seed        {data.source.split_seed}")
    where = f"data={_data_config()} data.manifest={out}"
    where += "".join(f" data.{key}=null" for key in ("images", "masks", "splits") if cfg.data.get(key))
    print(f"next        unetzoo train {where}" + (" data.fold=0 run_id=fold0" if folds else ""))
    return 0


def _data_config() -> str:
    from hydra.core.hydra_config import HydraConfig

    return str(HydraConfig.get().runtime.choices["data"])


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

    from unetzoo.datasets.condense import condense

    each = cfg.get("each", False)
    if not isinstance(each, bool):
        raise ValueError(f"each={each} is neither true nor false; each=true lists what is wrong file by file")
    data: SegmentationData = instantiate(cfg.data)
    data.prepare_data()
    report = data.report(_progress if sys.stderr.isatty() else None)
    print(f"set         {data.name}")
    if not report.problems:
        _describe(data)
    notes, problems = (found if each else condense(found) for found in (report.notes, report.problems))
    for note in notes:
        print(f"note        {note}")
    for problem in problems:
        print(f"unetzoo data: {problem}", file=sys.stderr)
    print(f"problems    {len(report.problems)}")
    if len(notes) + len(problems) < len(report.notes) + len(report.problems):
        print("next        the same with each=true, for every file")
    return 2 if report.problems else 0


def _describe(data: "SegmentationData") -> None:
    spec = data.spec
    print(f"bands       {', '.join(spec.bands)} ({spec.ndim}D, normalised by {spec.normalisation.words})")
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
