"""A tiny set in the layout of a task of the Medical Segmentation Decathlon.

python data/msd/make_sample.py /tmp/msd --layout msd_prostate
"""

import json
import sys
from functools import partial
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.arrays import save_volume
from data.sample import Write, command, draw, paint

TASKS: dict[str, tuple[str, str, list[str], list[str]]] = {
    "msd_brain_tumour": (
        "Task01_BrainTumour",
        "BRATS",
        ["flair", "t1", "t1ce", "t2"],
        ["oedema", "non_enhancing_tumour", "enhancing_tumour"],
    ),
    "msd_heart": ("Task02_Heart", "la", ["mri"], ["left_atrium"]),
    "msd_liver": ("Task03_Liver", "liver", ["ct"], ["liver", "tumour"]),
    "msd_hippocampus": ("Task04_Hippocampus", "hippocampus", ["t1"], ["anterior", "posterior"]),
    "msd_prostate": ("Task05_Prostate", "prostate", ["t2", "adc"], ["peripheral_zone", "transition_zone"]),
    "msd_lung": ("Task06_Lung", "lung", ["ct"], ["tumour"]),
    "msd_pancreas": ("Task07_Pancreas", "pancreas", ["ct"], ["pancreas", "tumour"]),
    "msd_hepatic_vessel": ("Task08_HepaticVessel", "hepaticvessel", ["ct"], ["vessel", "tumour"]),
    "msd_spleen": ("Task09_Spleen", "spleen", ["ct"], ["spleen"]),
    "msd_colon": ("Task10_Colon", "colon", ["ct"], ["tumour"]),
}
"""Folder, beginning of the names, channels and classes by config."""


def write(task: str, out: Path, rng: np.random.Generator) -> None:
    """Six volumes with labels, one without, and what macOS leaves behind."""
    folder, prefix, channels, classes = TASKS[task]
    affine = np.diag([0.8, 0.8, 2.5, 1.0])
    names = [f"{prefix}_{number:03}.nii.gz" for number in range(1, 8)]
    for name in names:
        labels = draw(rng, (22, 20, 10), len(classes) + 1)
        image = paint(rng, labels, len(channels), 900.0).astype(np.float32)
        kind = "imagesTs" if name == names[-1] else "imagesTr"
        save_volume(out / folder / kind / name, image if len(channels) > 1 else image[..., 0], affine)
        (out / folder / kind / f"._{name}").write_bytes(b"\0\5\x16\7")
        if kind == "imagesTr":
            save_volume(out / folder / "labelsTr" / name, labels, affine)
            (out / folder / "labelsTr" / f"._{name}").write_bytes(b"\0\5\x16\7")
    described = {
        "name": folder,
        "tensorImageSize": "4D" if len(channels) > 1 else "3D",
        "modality": {str(i): channel for i, channel in enumerate(channels)},
        "labels": {str(i): label for i, label in enumerate(["background", *classes])},
        "numTraining": 6,
        "numTest": 1,
        "training": [{"image": f"./imagesTr/{n}", "label": f"./labelsTr/{n}"} for n in names[:-1]],
        "test": [f"./imagesTs/{names[-1]}"],
    }
    (out / folder / "dataset.json").write_text(json.dumps(described))


LAYOUTS: dict[str, Write] = {name: partial(write, name) for name in TASKS}
main = command(__doc__, LAYOUTS)

if __name__ == "__main__":
    sys.exit(main())
