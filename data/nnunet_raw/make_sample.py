"""A tiny set in nnU-Net's raw format.

python data/nnunet_raw/make_sample.py /tmp/nnunet
"""

import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.arrays import save_volume
from data.sample import Write, command, draw, paint


def write(out: Path, rng: np.random.Generator) -> None:
    """Five cases of two channels to train on, one to test with a label and one without."""
    folder, affine = out / "nnUNet_raw" / "Dataset501_Sample", np.diag([1.0, 1.0, 2.5, 1.0])
    for number in range(7):
        labels = draw(rng, (20, 18, 10), 3)
        image = paint(rng, labels, 2, 900.0).astype(np.float32)
        part = "Tr" if number < 5 else "Ts"
        for channel in range(2):
            name = f"case {number}_{channel:04}.nii.gz"
            save_volume(folder / f"images{part}" / name, image[..., channel], affine)
        if number < 6:
            save_volume(folder / f"labels{part}" / f"case {number}.nii.gz", labels, affine)
    described = {
        "channel_names": {"0": "T1", "1": "T2"},
        "labels": {"background": 0, "organ": 1, "lesion": 2},
        "numTraining": 5,
        "file_ending": ".nii.gz",
    }
    (folder / "dataset.json").write_text(json.dumps(described))
    fold = {"train": [f"case {n}" for n in range(4)], "val": ["case 4"]}
    (folder / "splits_final.json").write_text(json.dumps([fold]))


LAYOUTS: dict[str, Write] = {"nnunet_raw": write}
main = command(__doc__, LAYOUTS)

if __name__ == "__main__":
    sys.exit(main())
