"""nnU-Net's raw format: stack channels, and list the cases.

    python data/nnunet_raw/prepare.py nnUNet_raw/Dataset004_Hippocampus --out data/dataset004

Raw: ``dataset.json``, ``imagesTr/CASE_0000.nii.gz``, ``labelsTr/CASE.nii.gz``, perhaps ``imagesTs``,
``labelsTs`` and ``splits_final.json``; PNG, TIFF or BMP in place of NIfTI. Several channels need numpy and
nibabel or rasterio.
"""

import glob
import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.arrays import stack_rasters, stack_volumes
from data.raw import Raw, Row, command

TREES = {"nnunet_raw": ("dataset.json", "imagesTr/*_0000.*", "labelsTr/*.*")}


def rows(raw: Raw, out: Path) -> Iterator[Row]:
    """One case per label; prints the command that names bands and classes."""
    described = json.loads(raw.one("dataset.json").read_text(encoding="utf-8"))
    ending = described["file_ending"]
    splits = {}
    if raw.files("splits_final.json"):
        fold = json.loads(raw.one("splits_final.json").read_text(encoding="utf-8"))[0]
        splits = {case: split for split in ("train", "val") for case in fold[split]}
    for part, split in (("Tr", "train"), ("Ts", "test")):
        for first in raw.files(f"images{part}/*_0000{ending}"):
            case = first.name.removesuffix(f"_0000{ending}")
            labels = raw.files(f"labels{part}/{glob.escape(case)}{ending}")
            channels = raw.files(f"images{part}/{glob.escape(case)}_[0-9][0-9][0-9][0-9]{ending}")
            image = _stacked(out / ("images" if labels else "unlabelled"), case, channels, described)
            if labels:
                yield Row(image, labels[0], case, splits.get(case, split), case)
            elif part == "Tr":
                raw.one(f"labelsTr/{case}{ending}")
    print(f"unetzoo train data=nnunet_raw data.root={out} {' '.join(_overrides(described))}")


def _stacked(folder: Path, case: str, channels: list[Path], described: dict[str, Any]) -> Path:
    if len(channels) == 1:
        return channels[0]
    if described["file_ending"].startswith(".nii"):
        return stack_volumes(folder / f"{case}.nii.gz", channels)
    return stack_rasters(folder / f"{case}.tif", channels, names=_names(described["channel_names"].values()))


def _overrides(described: dict[str, Any]) -> Iterator[str]:
    """What the data config cannot know, for the command line."""
    labels = dict(described["labels"])
    yield f"data.name={_names([described.get('name', 'nnunet_raw')])[0]}"
    yield f"'data.bands=[{','.join(_names(described['channel_names'].values()))}]'"
    if "ignore" in labels:
        yield f"data.ignore_index={labels.pop('ignore')}"
    if regions := "regions_class_order" in described:
        yield "data.multilabel=true model/head=multilabel"
    if regions or described.get("unused_background"):
        del labels["background"]
    ids = (str(label).replace(" ", "") for label in labels.values())
    named = zip(_names(labels), ids, strict=True)
    yield f"'data.classes={{{','.join(f'{name}:{label}' for name, label in named)}}}'"


def _names(words: Iterable[str]) -> list[str]:
    """Words as they can stand in a command."""
    return [re.sub(r"\W+", "_", str(word)) for word in words]


main = command(__file__, __doc__, TREES, rows)

if __name__ == "__main__":
    sys.exit(main())
