"""Writing a set in nnU-Net's raw format, which many tools read: imagesTr, labelsTr and dataset.json.

After https://github.com/MIC-DKFZ/nnUNet, documentation/dataset_format.md. Read by `data/nnunet_raw`.
"""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..inference import nifti, raster
from ..inference.contract import IGNORE, DataSpec
from ..inference.files import replacing
from ..inference.geometry import Geometry, PictureGeometry, RasterGeometry, VolumeGeometry
from .case import SPLITS, Case, Sample
from .datamodule import SegmentationData

FOLDER = re.compile(r"Dataset\d{3}_\w+")


class Labels(NamedTuple):
    """How class indices become nnU-Net's labels, which count from 0, the background.

    Args:
        names: Label or, for a region, labels, by class; without "ignore".
        table: Label of a class index, or of the bits of the classes a pixel belongs to if they overlap.
        ignore: Label of pixels that do not count; the highest.
        regions_class_order: Label that a region leaves where no later region lies; None without regions.
    """

    names: dict[str, int | list[int]]
    table: dict[int, int]
    ignore: int
    regions_class_order: list[int] | None


def write_nnunet(
    data: SegmentationData, out: Path, progress: Callable[[int, int], None] | None = None
) -> dict[str, int]:
    """Write train and val as imagesTr and labelsTr, test as imagesTs and labelsTs, and what describes them.

    A file per band: NIfTI for volumes, PNG for pictures of 8 or 16 bits, TIFF with the image's place for
    others. Pixels without data are 0 in the image and "ignore" in the label. ``splits_final.json`` holds
    train and val as the only fold, for nnU-Net's folder of preprocessed data.

    Args:
        out: ``DatasetXXX_Name``, new or empty.
        progress: Called with the number of cases done and their total.

    Returns:
        Number of cases by split.

    Raises:
        ValueError: If the name is no such name, the folder is in use, or the data cannot be stored so.
    """
    if not FOLDER.fullmatch(out.name):
        raise ValueError(
            f"out={out}: the folder must be named like Dataset501_Name, with a free three-digit number"
        )
    if out.exists() and any(out.iterdir()):
        raise ValueError(f"out={out}: is not empty; choose another folder, or remove it first")
    cases = {split: data.cases(split) for split in SPLITS}
    labels = labels_of(data.spec)
    ending = _ending([case for some in cases.values() for case in some], data.spec)
    done, total, ignored = 0, sum(map(len, cases.values())), data.spec.ignore_index is not None
    for split, some in cases.items():
        where = "Ts" if split == "test" else "Tr"
        for case in some:
            sample = data.read(case)
            ignored |= bool((sample.mask == IGNORE).any())
            for band, values in enumerate(np.where(sample.image.valid, sample.image.data, 0)):
                _write(
                    out / f"images{where}" / f"{case.name}_{band:04}{ending}", values, sample.image.geometry
                )
            _write(
                out / f"labels{where}" / f"{case.name}{ending}", _label(sample, labels), sample.image.geometry
            )
            done += 1
            if progress:
                progress(done, total)
    counts = {split: len(some) for split, some in cases.items()}
    described: dict[str, Any] = {
        "channel_names": {str(i): band for i, band in enumerate(data.spec.bands)},
        "labels": {**labels.names, **({"ignore": labels.ignore} if ignored else {})},
        "numTraining": counts["train"] + counts["val"],
        "file_ending": ending,
        "name": data.name,
    }
    if labels.regions_class_order is not None:
        described["regions_class_order"] = labels.regions_class_order
    if len(labels.names) > len(data.spec.classes) and not data.spec.multilabel:
        described["unused_background"] = True  # nnU-Net wants one; ours, not nnU-Net's
    _write_json(out / "splits_final.json", [{s: [case.name for case in cases[s]] for s in ("train", "val")}])
    _write_json(out / "dataset.json", described)
    return counts


def labels_of(spec: DataSpec) -> Labels:
    """nnU-Net's labels for the classes of a set.

    Raises:
        ValueError: If there are no classes, or they overlap in a way that one label map cannot hold.
    """
    if not spec.classes:
        raise ValueError("nnU-Net's format holds masks of classes, but this set has target images")
    if not spec.multilabel:
        first = 0 if spec.classes[0].name == "background" else 1
        names: dict[str, int | list[int]] = {"background": 0}
        names |= {known.name: i + first for i, known in enumerate(spec.classes)}
        table = {i: i + first for i in range(len(spec.classes))}
        return Labels(names, table, len(spec.classes) + first, None)
    ids = sorted({id_ for known in spec.classes for id_ in known.ids})
    members = {id_: sum(1 << i for i, known in enumerate(spec.classes) if id_ in known.ids) for id_ in ids}
    table = {0: 0}
    for bits in members.values():  # ids of the same classes are one label
        table.setdefault(bits, len(table))
    regions = {
        known.name: sorted({table[members[id_]] for id_ in known.ids}) for known in spec.classes if known.ids
    }
    # larger regions are drawn first, and what is left of each at the end is its own label
    regions = dict(sorted(regions.items(), key=lambda item: -len(item[1])))
    order: list[int] = []
    later: set[int] = set()
    for name, region in reversed(regions.items()):
        own = set(region) - later
        if len(own) != 1:
            raise ValueError(
                f"class '{name}' overlaps others in a way that one label map cannot hold ({len(own)} parts "
                "of its own instead of 1); nnU-Net's regions must lie in one another or apart"
            )
        order.insert(0, own.pop())
        later |= set(region)
    return Labels({"background": 0, **regions}, table, len(table), order)


def _label(sample: Sample, labels: Labels) -> np.ndarray:
    """uint8 (*size)."""
    mask = sample.mask
    if labels.regions_class_order is None:
        keys, unknown = mask.astype(np.int64), mask == IGNORE
    else:
        unknown = (mask == IGNORE).any(axis=0)
        keys = sum((layer == 1).astype(np.int64) << i for i, layer in enumerate(mask))
    result = np.full(keys.shape, labels.ignore, np.uint8)
    for key, label in labels.table.items():
        result[(keys == key) & ~unknown] = label
    if ((result == labels.ignore) & ~unknown).any():
        raise ValueError(
            "the mask has one band per class, which overlap freely; nnU-Net's format cannot hold them"
        )
    return result


def _ending(cases: Sequence[Case], spec: DataSpec) -> str:
    if spec.ndim == 3:
        return ".nii.gz"
    placed = any(case.image.name.lower().endswith(raster.SUFFIXES) for case in cases)
    return ".tif" if placed else ".png"


def _write(path: Path, values: np.ndarray, geometry: Geometry) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(geometry, VolumeGeometry):
        nifti.write_volume(path, [values[None]], geometry, count=1, dtype=values.dtype.name)
    elif path.suffix == ".tif":
        place = _place(geometry)
        raster.write_raster(path, [values[None]], place, count=1, dtype=values.dtype.name, nodata=None)
    else:
        from PIL import Image

        if values.dtype not in (np.uint8, np.uint16):
            raise ValueError(
                f"{path}: pictures of type {values.dtype} do not fit into PNG; save them as TIFF"
            )
        with replacing(path) as temporary:
            Image.fromarray(values).save(temporary)


def _place(geometry: Geometry) -> RasterGeometry:
    if isinstance(geometry, RasterGeometry):
        return geometry
    assert isinstance(geometry, PictureGeometry)
    import rasterio

    return RasterGeometry(geometry.size, None, rasterio.Affine.identity(), ([], None), None, False)


def _write_json(path: Path, content: Any) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
